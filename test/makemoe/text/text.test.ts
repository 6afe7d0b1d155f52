import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { CharTokenizer, createStreams, Dataset, datasetOf, loadCorpus, TextError } from 'makemoe'
import { Corpus } from 'makemoe/dist/makemoe/text/corpus'
import { encodeCorpus } from 'makemoe/dist/makemoe/text/encode-corpus'
import { sha256Of } from 'makemoe/dist/runs/checkpoint'
import { describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-test-'))
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

describe('CharTokenizer', () => {
  const tokenizer = CharTokenizer.fromText('hii there\n')
  test('numbers the sorted characters', () => {
    expect(tokenizer.vocabulary).toEqual(['\n', ' ', 'e', 'h', 'i', 'r', 't'])
    expect(tokenizer.vocabSize).toBe(7)
    expect([...tokenizer.encode('hii')]).toEqual([3, 4, 4])
  })
  test('decodes what it encoded', () => expect(tokenizer.decode(tokenizer.encode('there hi'))).toBe('there hi'))
  test('keeps a character outside the basic plane whole', () => {
    const emoji = CharTokenizer.fromText('a😀b')
    expect(emoji.vocabSize).toBe(3)
    expect(emoji.decode(emoji.encode('😀a'))).toBe('😀a')
  })
  test('names an unknown character and its position', () => {
    expect(() => tokenizer.encode('hix')).toThrow(new TextError('the character "x" at position 2 is not in the vocabulary of 7'))
    expect(() => tokenizer.decode([99])).toThrow(/got the token id 99, expected 0 to 6/)
  })
  test('refuses a vocabulary with repetitions', () => expect(() => new CharTokenizer(['a', 'a'])).toThrow(TextError))
})

describe('corpus', () => {
  test('a given file wins, then the default file; without one the error says what brings it', () => {
    const given = file('given.txt', 'abc')
    expect(loadCorpus({ file: given, defaultFile: join(folder, 'absent') }).text).toBe('abc')
    expect(loadCorpus({ defaultFile: given }).text).toBe('abc')
    expect(() => loadCorpus({ defaultFile: join(folder, 'absent') })).toThrow(
      /absent, expected a text file \(npm run setup brings the default one, Tiny Shakespeare\)/,
    )
  })
  test.each([
    ['missing', join(folder, 'nowhere'), /cannot read the text/],
    ['a folder', folder, /cannot read the text/],
    ['empty', file('empty.txt', ''), /is empty/],
    ['UTF-16', file('utf16.txt', Buffer.from('hello', 'utf16le')), /not UTF-8/],
    ['binary', file('binary', Uint8Array.of(0xff, 0xfe, 0x00, 0x80)), /not UTF-8/],
  ])('refuses a text that is %s', (_what, path, message) => {
    expect(() => new Corpus(path).text).toThrow(TextError)
    expect(() => new Corpus(path).text).toThrow(message)
  })
})

describe('a text in pieces', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '漢', '😀', '🧑‍🚀', '\u{10ffff}'), minLength: 1, maxLength: 60 })
  test('characters, vocabulary, token ids and checksum are those of the whole, wherever the file is cut', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 9 }), fc.boolean(), (text, size, mark) => {
        const corpus = new Corpus(file('drawn.txt', `${mark ? '\ufeff' : ''}${text}`))
        expect([...corpus.pieces(size)].join('')).toBe(text)
        expect([corpus.text, corpus.characterCount(), corpus.sha256()]).toEqual([text, [...text].length, sha256Of(text)])
        const tokenizer = CharTokenizer.fromText(corpus.pieces(size))
        expect(tokenizer.vocabulary).toEqual(CharTokenizer.fromText(text).vocabulary)
        expect(Array.from(encodeCorpus(tokenizer, corpus))).toEqual([...text].map((character) => tokenizer.vocabulary.indexOf(character)))
        expect(encodeCorpus({ ...whole(tokenizer), piecewise: false }, corpus)).toEqual(encodeCorpus(tokenizer, corpus))
      }),
    )
  })
  test('where the text says where its training part ends, the dataset is split there, wherever pieces end', () => {
    fc.assert(
      fc.property(texts, fc.nat(80), fc.nat(80), fc.boolean(), (text, before, after, piecewise) => {
        const [train, val] = [`${text}${'😀'.repeat(before + 3)}`, `${'b'.repeat(after + 3)}${text}`]
        const characters = [...train].length
        const corpus = new Corpus(file('split.txt', train + val), 'split', characters)
        const tokenizer = CharTokenizer.fromText(train + val)
        const { splits } = datasetOf(piecewise ? tokenizer : whole(tokenizer), corpus, 2)
        expect([tokenizer.decode(splits.train), tokenizer.decode(splits.val)]).toEqual([train, val])
      }),
    )
    const long = 'ab'.repeat(600_000)
    const { splits } = datasetOf(CharTokenizer.fromText('ab'), new Corpus(file('long.txt', long), 'long', 1_100_001), 2)
    expect([splits.train.length, splits.val.length, splits.val[0]]).toEqual([1_100_001, 99_999, 1])
    expect(() => datasetOf(CharTokenizer.fromText('ab'), new Corpus(file('long.txt', long), 'long', 2e6), 2)).toThrow(
      /more than the 2000000/,
    )
  })
  const whole = (tokenizer: CharTokenizer) => ({ vocabSize: tokenizer.vocabSize, encode: (text: string) => tokenizer.encode(text) })
  test('an id takes one byte, two or four, as the vocabulary needs, and more ids than bytes find room', () => {
    const corpus = new Corpus(file('four.txt', 'abca'))
    const encode = (text: string): number[] => [...text].flatMap(() => [1, 2, 3])
    for (const [vocabSize, type] of [
      [256, Uint8Array],
      [257, Uint16Array],
      [65_536, Uint16Array],
      [65_537, Int32Array],
    ] as const) {
      const ids = encodeCorpus({ vocabSize, encode, piecewise: true }, corpus)
      expect(ids).toBeInstanceOf(type)
      expect([...ids].join('')).toBe('123'.repeat(4))
    }
  })
  test('an unknown character is named with its position in the whole text', () => {
    const corpus = new Corpus(file('long.txt', `${'😀'.repeat(400_000)}x`))
    expect(() => encodeCorpus(CharTokenizer.fromText('😀'), corpus)).toThrow(/character "x" at position 400000 /)
  })
  test('a text that is longer than a string can be says so, and not that it is not UTF-8', () => {
    const corpus = new Corpus(file('limit.txt', 'abcd'))
    expect(corpus.wholeText(4)).toBe('abcd')
    expect(() => corpus.wholeText(3)).toThrow(/more than the 3 characters that a string can have.*pieces\(\)/)
  })
  test('windows are the same whatever type the ids have', () => {
    const ids = Int32Array.from({ length: 200 }, (_, i) => (7 * i) % 200)
    const windows = (Type: typeof Uint8Array | typeof Uint16Array | typeof Int32Array) =>
      [...new Dataset(Type.from(ids), 8).windows('train', 3)].map(({ x, y }) => [x.dtype, x.arraySync(), y.arraySync()])
    expect(windows(Uint8Array)).toEqual(windows(Int32Array))
    expect(windows(Uint16Array)).toEqual(windows(Int32Array))
  })
})

describe('Dataset', () => {
  const ids = Int32Array.from({ length: 200 }, (_, i) => i)
  const dataset = new Dataset(ids, 8)
  test('splits 90 to 10', () => {
    expect(dataset.splits.train.length).toBe(180)
    expect(dataset.splits.val[0]).toBe(180)
  })
  test('y is x shifted by one', () => {
    const { x, y } = dataset.batchAt('train', [0, 10])
    expect(x.arraySync()).toEqual([0, 10].map((o) => Array.from({ length: 8 }, (_, t) => o + t)))
    expect(y.arraySync()).toEqual([1, 11].map((o) => Array.from({ length: 8 }, (_, t) => o + t)))
  })
  test('random offsets lie in [0, length - T) and repeat with the seed', () => {
    const first = (seed: number): number[] =>
      Array.from(dataset.randomBatch('val', 500, createStreams(seed).data).x.slice([0, 0], [500, 1]).dataSync())
    const offsets = first(1).map((id) => id - 180)
    expect(Math.min(...offsets)).toBe(0)
    expect(Math.max(...offsets)).toBe(20 - 8 - 1)
    expect(first(1)).toEqual(first(1))
    expect(first(1)).not.toEqual(first(2))
  })
  test('windows cover a split: each target once, in order', () => {
    const targets = [...dataset.windows('train', 3)].flatMap(({ y }) => Array.from(y.dataSync()))
    expect(targets).toEqual(Array.from({ length: 22 * 8 }, (_, i) => i + 1))
  })
  test('refuses a text that is too short, with what it needs', () => {
    expect(() => new Dataset(ids.subarray(0, 80), 8)).toThrow(/too short: got 80 characters, expected at least 90/)
  })
})
