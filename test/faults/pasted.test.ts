/** Strings as people paste them, drawn at random, in every command: success or one typed line, never a parser's exception with a stack. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { main } from 'makemoe/dist/cli/main'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { cases } from '../support'

const scratch = mkdtempSync(join(tmpdir(), 'makemoe-pasted-'))
const text = join(scratch, 'text.txt')
const run = join(scratch, 'run')
const nowhere = join(scratch, 'nowhere')
const small = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --steps 2 --eval-iters 1 --sample 1 --eager'

let printed = ''
beforeAll(async () => {
  writeFileSync(text, 'the quick brown fox jumps over the lazy dog. '.repeat(20))
  const log = (line = ''): void => {
    printed += `${line}\n`
  }
  vi.spyOn(console, 'log').mockImplementation(log)
  vi.spyOn(console, 'error').mockImplementation(log)
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      printed += chunk
      return true
    })
  expect([await main(['train', ...small.split(' '), '--text', text, '--out', run]), printed]).toEqual([0, expect.stringContaining('saved')])
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => {
  vi.restoreAllMocks()
  rmSync(scratch, { recursive: true })
})

// A command line and an environment hold no zero byte and whole characters alone.
const pasted = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.string({ unit: 'grapheme', maxLength: 10 }),
    fc.double().map(String),
    fc.integer().map(String),
    fc.json({ maxDepth: 2 }),
    fc.webUrl({ withFragments: true }),
    fc.string({ maxLength: 8 }).map((word) => `\u201c${word}\u201d`),
    fc.constantFrom('', ' ', '1e999', '-0', 'NaN', '0x10', '%', '..', '/', '~', '\u2014lr', 'a'.repeat(5000)),
  )
  .map((word) => word.replaceAll('\0', ''))

/** Ends every draw before work starts, unless what was drawn ends it. */
const refusing: Readonly<Record<string, readonly string[]>> = {
  train: ['--text', nowhere],
  compare: ['--text', nowhere],
  generate: ['--checkpoint', run, '--tokens', '1', '--eager'],
  evaluate: ['--checkpoint', run, '--text', nowhere],
  inspect: ['--checkpoint', run, '--text', nowhere],
  export: ['--checkpoint', run, '--text', nowhere, '--out', join(scratch, 'page.html')],
  import: [nowhere, '--out', join(scratch, 'imported')],
  mlflow: ['--sync', run],
}
const valued: Readonly<Record<string, readonly string[]>> = {
  train:
    '--n-embed --top-k --dropout --learning-rate --router --seed --preset --resume --checkpoint-every --keep --parts --tracker --text --sample --workers --restarts --parallel --cluster --worker --wait --capacity-factor'.split(
      ' ',
    ),
  compare: '--what --seeds --n-embed --steps --variants --text'.split(' '),
  generate: '--checkpoint --parts --prompt --temperature --top-k --top-p --seed'.split(' '),
  evaluate: '--checkpoint --text --parts'.split(' '),
  inspect: '--checkpoint --text --parts --characters --out'.split(' '),
  export: '--checkpoint --parts --precision --text --prompt --characters --out'.split(' '),
  import: '--text --n-head --out'.split(' '),
  mlflow: '--sync --port'.split(' '),
}

async function expectTyped(args: readonly string[]): Promise<void> {
  printed = ''
  process.exitCode = undefined
  const status = await main(args)
  process.exitCode = undefined
  expect([args, status, printed]).toEqual([
    args,
    expect.toSatisfy((code) => code === 0 || code === 2),
    expect.not.stringMatching(/\n\s+at /),
  ])
}

test.each(Object.keys(refusing))('%s: any value of any option', async (command) => {
  const option = fc.constantFrom(...(valued[command] ?? []))
  await fc.assert(
    fc.asyncProperty(option, pasted, async (name, value) => {
      vi.stubEnv('MLFLOW_TRACKING_URI', 'http://127.0.0.1:1')
      await expectTyped([command, ...(refusing[command] ?? []), `${name}=${value}`])
    }),
    { numRuns: cases(40, command === 'generate' ? 40 : 400) },
  )
})

test('any first words', async () => {
  await fc.assert(fc.asyncProperty(fc.array(pasted, { minLength: 1, maxLength: 3 }), expectTyped), { numRuns: cases(100, 1000) })
})

test('any environment', async () => {
  const some = fc.option(pasted, { nil: undefined })
  const names = [
    'MLFLOW_TRACKING_URI',
    'MLFLOW_TRACKING_TOKEN',
    'MLFLOW_EXPERIMENT_NAME',
    'DATABRICKS_HOST',
    'DATABRICKS_TOKEN',
    'TF_CONFIG',
  ]
  const worker = fc.oneof(fc.array(fc.oneof(pasted, fc.constantFrom('a:1', 'b:2'))), fc.jsonValue())
  const task = fc.oneof(fc.record({ type: fc.oneof(fc.constant('worker'), fc.jsonValue()), index: fc.jsonValue() }), fc.jsonValue())
  const shaped = fc.record({ cluster: fc.oneof(fc.record({ worker }), fc.jsonValue()), task }, { requiredKeys: [] })
  const cluster = fc.option(
    fc.oneof(
      pasted,
      fc.json(),
      shaped.map((value) => JSON.stringify(value)),
    ),
    { nil: undefined },
  )
  const drawn: Record<string, fc.Arbitrary<string | undefined>> = Object.fromEntries(names.map((name) => [name, some]))
  const environment = fc.record({ ...drawn, TF_CONFIG: cluster } as typeof drawn)
  await fc.assert(
    fc.asyncProperty(environment, fc.constantFrom('train', 'mlflow'), async (variables, command) => {
      for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value)
      const uri = variables.MLFLOW_TRACKING_URI ?? ''
      if (/^\s*https?:/i.test(uri)) vi.stubEnv('MLFLOW_TRACKING_URI', 'http://127.0.0.1:1/#/experiments') // no stranger's server
      if (uri.startsWith('databricks')) vi.stubEnv('DATABRICKS_HOST', 'http://127.0.0.1:1')
      await expectTyped([command, ...(refusing[command] ?? [])])
    }),
    { numRuns: cases(100, 1000) },
  )
})
