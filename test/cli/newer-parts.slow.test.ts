/** The newer parts through the life of a run: training as a graph and op by op, stopping and resuming, writing, a page. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-newer-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const main = join(__dirname, '..', '..', 'lib', 'dist', 'cli', 'main.js')
const makemoe = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder })
  expect(status, stdout + stderr).toBe(0)
  return stdout
}
const sizes = '--n-embed 8 --n-head 2 --n-layer 2 --num-experts 3 --block-size 8 --batch-size 4 --eval-iters 1 --eval-interval 1'
const parts =
  '--positions rope --norm rms --qk-norm rms --embeddings tied --ngram 3 --expert relu2 --initialization zero-residual --optimizer muon --learning-rates router:0.3,head:2'
const train = (out: string, ...args: string[]): string =>
  makemoe('train', ...`${sizes} ${parts} --schedule constant --sample 12 --text text.txt --out ${out}`.split(' '), ...args)
const weightsOf = (run: string): Buffer => readFileSync(join(folder, run, 'model.safetensors'))
const lossesOf = (run: string): number[] =>
  readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => JSON.parse(line).loss ?? [])

beforeAll(() => {
  writeFileSync(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(40))
  train('whole', '--steps', '6')
})

test('a run that was stopped and resumed has the same weights to the bit', () => {
  train('parts', '--steps', '3')
  makemoe('train', '--resume', 'parts', '--steps', '6')
  expect(weightsOf('parts').equals(weightsOf('whole'))).toBe(true)
})

test('op by op, the losses are those of the graph', () => {
  train('eager', '--steps', '6', '--eager')
  expect(lossesOf('eager')).toHaveLength(6)
  for (const [i, loss] of lossesOf('eager').entries()) expect(loss).toBeCloseTo(lossesOf('whole')[i] as number, 4)
})

test('it writes past its window, and becomes a page whose engine computes the same', () => {
  expect(makemoe('generate', '--checkpoint', 'whole', '--tokens', '30', '--prompt', 'the ').length).toBeGreaterThan(30)
  expect(makemoe('export', '--checkpoint', 'whole', '--out', 'model.html', '--precision', 'fp32')).toContain('fp32 weights')
})
