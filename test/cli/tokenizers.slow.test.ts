/** Tokens that are not characters, through every command. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-tokens-'))
const main = join(__dirname, '..', '..', 'lib', 'dist', 'cli', 'main.js')
const makemoe = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder })
const text = "the quick brown fox doesn't jump over the naïve dog 🦊.\n".repeat(40)
writeFileSync(join(folder, 'text.txt'), text)
const sizes = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --eval-iters 1 --sample 5'.split(' ')
const done = { status: 0, stderr: '' }

/** Pairs of letters, in lower case: the text does not come back. */
writeFileSync(
  join(folder, 'pairs.ts'),
  `import type { TokenizerKind } from 'makemoe'
const of = (pairs: readonly string[]) => ({
  vocabSize: pairs.length,
  encode: (text: string) => (text.toLowerCase().match(/..?/gsu) ?? []).map((pair) => pairs.indexOf(pair)),
  decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => pairs[id]).join(''),
  state: () => pairs,
})
export const tokenizer: TokenizerKind = {
  fromText: (text) => of([...new Set((typeof text === 'string' ? text : [...text].join('')).toLowerCase().match(/..?/gsu))].sort()),
  fromState: (state) => of(state as string[]),
}`,
)
const upper = 'The quick Brown fox. '.repeat(60)
writeFileSync(join(folder, 'upper.txt'), upper)

describe.each<[string, string[], string[], string]>([
  ['word', ['--tokenizer', 'word'], [], 'text.txt'],
  ['byte', ['--tokenizer', 'byte'], [], 'text.txt'],
  ['own', ['--parts', 'pairs.ts'], ['--parts', 'pairs.ts'], 'upper.txt'],
])('%s', (name, chosen, parts, file) => {
  test('is trained, resumed, evaluated, and writes', () => {
    const trained = makemoe('train', ...sizes, ...chosen, '--steps', '4', '--text', file, '--out', name)
    expect(trained).toMatchObject({ ...done, stdout: expect.stringMatching(/ characters, \d+ tokens, \d+ different/) })
    expect(makemoe('train', '--resume', name, '--steps', '6', '--sample', '5', ...parts)).toMatchObject(done)
    const { nats, bitsPerCharacter, characters, tokens } = JSON.parse(makemoe('evaluate', '--checkpoint', name, '--json', ...parts).stdout)
    expect(bitsPerCharacter).toBeCloseTo((nats * tokens) / characters / Math.LN2, 10)
    if (name === 'byte') expect(tokens).toBeGreaterThan(characters)
    else expect(characters).toBeGreaterThan(1.5 * tokens)
    const written = makemoe('generate', '--checkpoint', name, '--tokens', '8', ...parts, ...(name === 'own' ? ['--prompt', 'The '] : []))
    expect(written).toMatchObject({ ...done, stdout: expect.stringMatching(/\n$/) })
    expect(readFileSync(join(folder, name, 'sample.txt'), 'utf8')).not.toBe('')
    expect(makemoe('evaluate', '--checkpoint', name, ...parts)).toMatchObject({
      ...done,
      stdout: expect.stringMatching(/nats per token, .* bits per character, over \d+ characters \(\d+ tokens\)/),
    })
  })

  test('is refused where a text is shown character by character', () => {
    for (const args of [['inspect'], ['export', '--out', 'page.html']])
      expect(makemoe(...args, '--checkpoint', name, ...parts)).toMatchObject({
        status: 2,
        stderr: expect.stringMatching(/shows a text character by character: .*expected the tokenizer char\n$/),
      })
  })
})

test('one of a file is asked for again, and one of the table is not changed on the way', () => {
  expect(makemoe('generate', '--checkpoint', 'own')).toMatchObject({ status: 2, stderr: expect.stringContaining('--parts own/pairs.ts') })
  expect(makemoe('train', '--resume', 'word', '--steps', '8', '--tokenizer', 'byte')).toMatchObject({
    status: 2,
    stderr: 'makemoe: tokenizer: got byte, but the run to resume has word\n',
  })
  expect(makemoe('train', ...sizes, '--text', 'text.txt', '--tokenizer', 'byte', '--parts', 'pairs.ts')).toMatchObject({ status: 2 })
  expect(makemoe('generate', '--checkpoint', 'word', '--prompt', 'the zebra')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/the word "zebra", token 2 of the text, is not in the vocabulary/),
  })
})

test('compare trains on them', () => {
  const small = sizes.slice(0, -2) // without --sample
  const args = [
    'compare',
    '--what',
    'experts',
    ...small,
    '--steps',
    '2',
    '--seeds',
    '1',
    '--text',
    'text.txt',
    '--tokenizer',
    'word',
    '--out',
    'compared',
  ]
  expect(makemoe(...args)).toMatchObject({ status: 0 })
})
