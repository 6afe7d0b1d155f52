/**
 * What people and disks do to files and options: each is answered with a typed error that says what was wrong, and nothing is changed.
 * The commands' own table is in cli/commands.test.ts.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  CharTokenizer,
  CheckpointError,
  Dataset,
  importStateDict,
  loadCheckpoint,
  MakemoeError,
  RunError,
  ShapeError,
  TextError,
} from 'makemoe'
import { lockFile, writeFileAtomic, writeFolderAtomic } from 'makemoe/dist/base/files'
import { validateSampling } from 'makemoe/dist/makemoe/model/sampler'
import { Corpus } from 'makemoe/dist/makemoe/text/corpus'
import { loadResumable, newestCheckpoint, RunFolder } from 'makemoe/dist/runs/run-folder'
import { decodeSafetensors, encodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { beforeAll, describe, expect, test } from 'vitest'
import { commandIn } from '../cli/in-process'
import { cases } from '../support'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-bad-'))
const main = join(__dirname, '../../lib/dist/cli/main.js')
const text = join(folder, 'text.txt')
const run = join(folder, 'run')
const sizes = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --eval-iters 2 --eval-interval 5 --sample 5'
const makemoe = commandIn(folder)
const files = (path: string): Record<string, string> =>
  Object.fromEntries(
    (readdirSync(path, { recursive: true, withFileTypes: true }) as unknown as { parentPath: string; name: string; isFile(): boolean }[])
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name), 'latin1')]),
  )

beforeAll(async () => {
  writeFileSync(text, 'the quick brown fox jumps over the lazy dog. '.repeat(40))
  const options = [...sizes.split(' '), '--steps', '10', '--checkpoint-every', '4', '--text', text, '--eager']
  const { status, stderr } = await makemoe('train', ...options, '--out', run)
  expect([status, stderr]).toEqual([0, ''])
})

describe('texts', () => {
  const bytes = (name: string, data: Uint8Array | string): string => {
    writeFileSync(join(folder, name), data)
    return join(folder, name)
  }
  test.each<[string, () => unknown, RegExp]>([
    ['empty', () => new Corpus(bytes('empty', '')).text, /is empty/],
    ['a folder', () => new Corpus(folder).text, /cannot read the text/],
    ['UTF-16 with a mark', () => new Corpus(bytes('utf16', Buffer.from('\ufeffhello', 'utf16le'))).text, /not UTF-8/],
    ['UTF-16 without a mark', () => new Corpus(bytes('utf16b', Buffer.from('hello', 'utf16le'))).text, /not UTF-8/],
    ['Latin-1', () => new Corpus(bytes('latin', Buffer.from('caf\xe9', 'latin1'))).text, /not UTF-8/],
    ['a cut UTF-8 character', () => new Corpus(bytes('cut', Buffer.from('é').subarray(0, 1))).text, /not UTF-8/],
    ['a zero byte', () => new Corpus(bytes('zero', 'a\0b')).text, /not UTF-8/],
    ['too short to split', () => new Dataset(new Int32Array(20), 8), /too short/],
    ['an unknown character', () => CharTokenizer.fromText('abc').encode('abx'), /"x" at position 2/],
    ['an id outside', () => CharTokenizer.fromText('abc').decode([3]), /got the token id 3/],
    ['no vocabulary', () => new CharTokenizer([]), /vocabulary/],
    ['a vocabulary with doubles', () => new CharTokenizer(['a', 'a']), /vocabulary/],
  ])('%s', (_what, make, message) => {
    expect(make).toThrow(TextError)
    expect(make).toThrow(message)
  })
})

describe('sampling settings', () => {
  test.each([
    { temperature: Number.NaN },
    { temperature: Number.POSITIVE_INFINITY },
    { temperature: -0.1 },
    { sampleTopK: 0 },
    { sampleTopK: 1.5 },
    { sampleTopP: 0 },
    { sampleTopP: 1.01 },
    { sampleTopP: Number.NaN },
  ])('%j', (options) => expect(() => validateSampling(options)).toThrow(MakemoeError))
})

describe('checkpoints', () => {
  let count = 0
  /** A copy of the run in which one file is changed. */
  const damaged = (file: string, change: (bytes: Buffer) => Uint8Array | string | undefined): string => {
    const copy = join(folder, `copy-${count++}`)
    cpSync(run, copy, { recursive: true })
    const path = join(newestCheckpoint(copy) as string, file)
    const changed = change(readFileSync(path))
    if (changed === undefined) rmSync(path)
    else writeFileSync(path, changed)
    return copy
  }
  const cut = (share: number) => (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length * share))
  const flip = (share: number) => (bytes: Buffer) => {
    const at = Math.min(bytes.length - 1, Math.floor(bytes.length * share))
    bytes[at] = (bytes[at] as number) ^ 0x10
    return bytes
  }
  const damages = ['model.safetensors', 'optimizer.safetensors'].flatMap((file) =>
    [0, 0.001, 0.3, 0.6, 0.999].flatMap((share): [string, string, (bytes: Buffer) => Uint8Array][] => [
      [file, `cut at ${share}`, cut(share)],
      [file, `flipped at ${share}`, flip(share)],
    ]),
  )
  test.each<[string, string, (bytes: Buffer) => Uint8Array | string | undefined]>([
    ...damages,
    ['model.safetensors', 'missing', () => undefined],
    ['optimizer.safetensors', 'missing', () => undefined],
    ['training.json', 'missing', () => undefined],
    ['config.json', 'missing', () => undefined],
    ['training.json', 'cut', cut(0.5)],
    ['training.json', 'of another format', () => '{"format":"other"}'],
    ['training.json', 'with a step that is not one', (bytes) => bytes.toString().replace(/"step": \d+/, '"step": -3')],
    ['training.json', 'with a stream counter that is not one', (bytes) => bytes.toString().replace(/"dropout": \d+/, '"dropout": "x"')],
    ['config.json', 'with an impossible config', (bytes) => bytes.toString().replace('"nHead": 2', '"nHead": 3')],
    ['config.json', 'with an unknown field', (bytes) => bytes.toString().replace('"nHead"', '"heads"')],
    ['config.json', 'of another vocabulary', (bytes) => bytes.toString().replace('"a"', '"b"')],
  ])('%s %s', (file, _what, change) => {
    const copy = damaged(file, change)
    const before = files(copy)
    expect(() => loadResumable(copy)).toThrow(CheckpointError)
    expect(files(copy)).toEqual(before)
  })
  test('a run without checkpoints', () => expect(() => loadResumable(folder)).toThrow(/expected a run folder with a checkpoint/))

  const weights = (name: string, shape: number[]) =>
    encodeSafetensors(new Map([[name, { shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]]))
  const tokenizer = CharTokenizer.fromText('abc')
  test.each<[string, () => Uint8Array]>([
    ['no tensors', () => encodeSafetensors(new Map())],
    ["another model's", () => weights('transformer.wte.weight', [3, 4])],
    ['embeddings alone', () => weights('token_embedding_table.weight', [3, 4])],
    ['a pickle', () => Buffer.from('\x80\x02}q\x00.')],
    ['a zip file', () => Buffer.from('PK\x03\x04 and so on and so on')],
  ])('import of %s', (_what, make) => expect(() => importStateDict(make(), tokenizer)).toThrow(CheckpointError))

  test(`safetensors: ${cases(1000, 10_000)} damaged files are read or refused, never worse`, () => {
    const good = encodeSafetensors(
      new Map([
        ['a', { shape: [2, 3], values: new Float32Array(6) }],
        ['b', { shape: [], values: new Float32Array(1) }],
      ]),
    )
    const header = fc.jsonValue().map((value) => {
      const json = Buffer.from(JSON.stringify(value))
      const bytes = Buffer.alloc(8 + json.length)
      bytes.writeBigUInt64LE(BigInt(json.length))
      json.copy(bytes, 8)
      return bytes
    })
    const damagedFile = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length)).map(([at, value, length]) => {
      const bytes = Buffer.from(good).subarray(0, length)
      if (at < length) bytes[at] = value
      return bytes
    })
    const before = process.memoryUsage().rss
    fc.assert(
      fc.property(fc.oneof(damagedFile, header, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        try {
          decodeSafetensors(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MakemoeError)
        }
      }),
      { numRuns: cases(1000, 10_000) },
    )
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6)
  }, 60_000)
})

describe('resuming a run', () => {
  const resume = (...args: string[]) => makemoe('train', '--resume', run, ...args)
  test.each<[string, () => string[], RegExp]>([
    ['with another model', () => ['--text', text, '--n-embed', '16'], /nEmbed: got 16, but the run to resume has 8/],
    ['with another seed', () => ['--text', text, '--seed', '3'], /seed: got 3, but the run/],
    ['with another preset', () => ['--text', text, '--preset', 'makemoe'], /expected neither/],
    ['into another folder', () => ['--text', text, '--out', join(folder, 'other')], /expected neither/],
    ['that is done', () => ['--text', text], /has made 10 already/],
    [
      'with another text of the same characters',
      () => {
        writeFileSync(join(folder, 'same.txt'), 'the lazy dog jumps over the quick brown fox. '.repeat(40))
        return ['--text', join(folder, 'same.txt'), '--steps', '20']
      },
      /is not the one that the run was trained on: its sha256 is/,
    ],
    [
      'with other characters',
      () => {
        writeFileSync(join(folder, 'digits.txt'), '0123456789'.repeat(200))
        return ['--text', join(folder, 'digits.txt'), '--steps', '20']
      },
      /it has 10 characters, the run's 28/,
    ],
  ])('%s', async (_what, args, message) => {
    const before = files(run)
    const { status, stderr } = await resume(...args())
    expect(stderr).toMatch(message)
    expect(status).toBe(2)
    expect(files(run)).toEqual(before)
  })
  test('while another process has the folder', async () => {
    const held = RunFolder.open(run)
    const { status, stderr } = await resume('--text', text, '--steps', '20')
    held.close()
    expect([status, stderr]).toEqual([2, expect.stringMatching(/another process is using the run folder/)])
    const file = join(folder, 'lock')
    const unlock = lockFile(file) as () => void
    expect(lockFile(file)).toBeUndefined()
    unlock()
    lockFile(file)?.()
  })
})

describe('disks', () => {
  test('a file that cannot be written is not written in part', () => {
    const file = join(folder, 'whole', 'file')
    writeFileAtomic(file, 'before')
    mkdirSync(join(folder, 'whole', 'taken'))
    expect(() => writeFileAtomic(join(folder, 'whole', 'taken'), 'x')).toThrow(RunError)
    expect(() => writeFileAtomic(join(file, 'below'), 'x')).toThrow(RunError)
    expect(() => writeFolderAtomic(join(file, 'below'), { a: 'x' })).toThrow(RunError)
    expect(readFileSync(file, 'utf8')).toBe('before')
    expect(readdirSync(join(folder, 'whole')).sort()).toEqual(['file', 'taken'])
  })
  test('a run folder below a file', () => expect(() => RunFolder.create(join(text, 'run'))).toThrow(RunError))
  test('a full disk (a limit on the size of files): a clear error, and the earlier checkpoints stay', () => {
    const out = join(folder, 'full')
    cpSync(run, out, { recursive: true })
    const before = newestCheckpoint(out) as string
    // The weights have some 15 kB, the limit is 8: the next checkpoint does not fit.
    const command = `trap '' XFSZ; ulimit -f 8; exec "$0" "$@"`
    const args = [main, 'train', '--resume', out, '--text', text, '--steps', '20', '--eager']
    const { status, stderr } = spawnSync('bash', ['-c', command, process.execPath, ...args], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([2, expect.stringMatching(/cannot write .*EFBIG.*untouched/)])
    expect(newestCheckpoint(out)).toBe(before)
    expect(loadCheckpoint(before).config.steps).toBe(10)
    expect(readdirSync(join(out, 'checkpoints')).filter((name) => name.endsWith('.partial'))).toEqual([])
  })
})

test('errors have names', () => expect([new ShapeError('x').name, new RunError('x').name]).toEqual(['ShapeError', 'RunError']))
