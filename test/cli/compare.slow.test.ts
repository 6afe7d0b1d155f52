/** `npm run compare` in processes of its own: results, a kill on the way, Ctrl-C; a person's mistakes: compare.test.ts. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-compare-'))
const main = join(__dirname, '..', '..', 'lib', 'dist', 'cli', 'main.js')
const text = join(folder, 'text.txt')
writeFileSync(text, 'the quick brown fox jumps over the lazy dog.\n'.repeat(40))
const sizes = '--n-embed 16 --n-head 2 --n-layer 1 --block-size 8 --num-experts 4 --batch-size 4 --steps 40 --eval-iters 2 --seeds 2'
const options = (out: string, ...what: string[]): string[] => [main, 'compare', ...what, ...sizes.split(' '), '--text', text, '--out', out]
const variants = join(folder, 'mine.ts')
writeFileSync(
  variants,
  `import { Expert } from 'makemoe'
export const variants = {
  relu: {},
  narrow: { parts: { expert: ({ nEmbed }, stream) => new Expert(nEmbed, stream, { width: 4 }) } },
}`,
)

interface Result {
  readonly measurements: readonly { readonly millisecondsPerStep: number; readonly validationLoss: number }[]
}
/** What does not depend on the clock. */
const resultOf = (out: string, name: string): unknown[] =>
  (JSON.parse(readFileSync(join(out, `${name}.json`), 'utf8')) as Result).measurements.map(({ millisecondsPerStep: _, ...rest }) => rest)
const measured = (out: string): string[] => {
  const all = join(out, 'measurements')
  return existsSync(all) ? readdirSync(all).filter((name) => name.endsWith('.json')) : []
}

test('a comparison that is killed with SIGKILL continues where it was, and ends as one that was not', { timeout: 240_000 }, async () => {
  const [calm, killed] = [join(folder, 'calm'), join(folder, 'killed')]
  const undisturbed = spawnSync(process.execPath, options(calm, '--what', 'dense'), { encoding: 'utf8' })
  expect([undisturbed.status, undisturbed.stderr]).toEqual([0, ''])
  expect(undisturbed.stdout).toMatch(
    /6\/6 dense, equal total parameters, seed 1338: validation loss \d\.\d{4} \(\d\.\d+ bits per character\)\n/,
  )
  expect(undisturbed.stdout).toMatch(
    /variant +validation loss +bits +difference .*\n.*sparse, 2 of 4 .*beyond noise \(95 %, Student's t\)/s,
  )
  expect(undisturbed.stdout).toMatch(/shared: nEmbed 16, nLayer 1, .*\ncompared with sparse, 2 of 4 /)
  expect(readFileSync(join(calm, 'dense.html'), 'utf8').match(/Plotly\.newPlot\('figure\d'/g)).toHaveLength(5)

  for (let kills = 0; kills < 2; kills++) {
    const child = spawn(process.execPath, options(killed, '--what', 'dense'), { stdio: 'ignore' })
    const before = measured(killed).length
    await new Promise<void>((resolve) => {
      const watching = setInterval(() => {
        if (measured(killed).length > before) child.kill('SIGKILL')
      }, 5)
      child.on('close', () => resolve(clearInterval(watching)))
    })
    expect(child.signalCode).toBe('SIGKILL')
    expect(existsSync(join(killed, 'dense.json'))).toBe(false)
  }
  const made = measured(killed)
  expect(made.length).toBeGreaterThan(1)
  expect(made.length).toBeLessThan(6)
  const contents = made.map((name) => readFileSync(join(killed, 'measurements', name), 'utf8'))
  expect(spawnSync(process.execPath, options(killed, '--what', 'dense')).status).toBe(0)
  expect(made.map((name) => readFileSync(join(killed, 'measurements', name), 'utf8'))).toEqual(contents) // not made again
  expect(resultOf(killed, 'dense')).toEqual(resultOf(calm, 'dense'))
})

test('variants of a file, with parts of its own; Ctrl-C ends with 130 and says how to continue', { timeout: 120_000 }, async () => {
  const out = join(folder, 'mine')
  const child = spawn(process.execPath, options(out, '--variants', variants))
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    if (/1\/4 relu/.test(stdout)) child.kill('SIGINT')
  })
  expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130)
  expect(stdout).toMatch(/stopped by SIGINT after \d of 4 trainings; the same command continues/)
  expect(spawnSync(process.execPath, options(out, '--variants', variants, '--against', 'narrow')).status).toBe(0)
  const result = JSON.parse(readFileSync(join(out, 'mine.json'), 'utf8'))
  expect(result).toMatchObject({ format: 'makemoe-comparison-1', name: 'mine', seeds: [1337, 1338] })
  expect(result.variants.narrow.parts.expert).toContain('width: 4')
  expect(result.rows.map(({ variant }: { variant: string }) => variant)).toEqual(['narrow', 'relu'])
  expect(result.rows[1].difference).toBeDefined()
  expect(spawnSync(process.execPath, options(out, '--variants', variants, '--only', 'narrow')).status).toBe(0)
  expect(Object.keys(JSON.parse(readFileSync(join(out, 'mine.json'), 'utf8')).variants)).toEqual(['narrow'])
})
