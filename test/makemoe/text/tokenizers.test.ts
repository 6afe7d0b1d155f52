import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { ByteTokenizer, CharTokenizer, encodeCorpus, TextError, tokenizers, WordTokenizer } from 'makemoe'
import { Corpus } from 'makemoe/dist/makemoe/text/corpus'
import { characterCountOf, decoderOf, type TokenizerKind } from 'makemoe/dist/makemoe/text/tokenizer'
import { charactersOf, nameOfTokenizer } from 'makemoe/dist/makemoe/text/tokenizers'
import { describe, expect, test } from 'vitest'

/** Any Unicode text; words and spaces among it. */
const words = fc.constantFrom('the', "don't", ' ', '   ', '\n', 'Ünïcode', '日本語', '👩‍👩‍👧', '\ufeff', '\0', '-', '42')
const text = fc
  .array(fc.oneof(words, fc.string({ unit: 'binary' })), { minLength: 1 })
  .map((parts) => parts.join(''))
  .filter((all) => all !== '')

describe.each(Object.entries<TokenizerKind>(tokenizers))('%s', (name, kind) => {
  test('a text comes back, from the whole, token by token, and through the saved state', () => {
    fc.assert(
      fc.property(text, (text) => {
        const tokenizer = kind.fromText(text)
        const ids = Array.from(tokenizer.encode(text))
        expect(tokenizer.decode(ids)).toBe(text)
        const decode = decoderOf(tokenizer)
        expect(ids.map((id) => decode([id])).join('')).toBe(text)
        expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabSize)).toBe(true)
        const saved = kind.fromState(JSON.parse(JSON.stringify(tokenizer.state())))
        expect(Array.from(saved.encode(text))).toEqual(ids)
        expect(nameOfTokenizer(saved)).toBe(name)
        expect(characterCountOf(saved, Int32Array.from(ids))).toBe([...text].length)
      }),
      { numRuns: 200, seed: 1 },
    )
  })

  test('a file is the text, wherever it is cut', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'makemoe-tokenizer-')), 'text.txt')
    fc.assert(
      fc.property(text, (text) => {
        fc.pre(!text.includes('\0') && !text.startsWith('\ufeff'))
        writeFileSync(file, text)
        const corpus = new Corpus(file)
        const tokenizer = kind.fromText(corpus.pieces(5))
        expect(Array.from(encodeCorpus(tokenizer, corpus))).toEqual(Array.from(tokenizer.encode(text)))
      }),
      { numRuns: 50, seed: 1 },
    )
  })

  test('ids outside the vocabulary are refused', () => {
    const tokenizer = kind.fromText('a b')
    for (const id of [-1, tokenizer.vocabSize, 0.5, Number.NaN]) expect(() => tokenizer.decode([id])).toThrow(TextError)
  })
})

test('what a vocabulary lacks is refused, with where it is', () => {
  expect(() => CharTokenizer.fromText('ab').encode('ab👍')).toThrow('the character "👍" at position 2 is not in the vocabulary of 2')
  expect(() => WordTokenizer.fromText('to be').encode('to be or')).toThrow(
    'the word "or", token 4 of the text, is not in the vocabulary of 3',
  )
  fc.assert(
    fc.property(text, fc.constantFrom('zebra', '€', '🦓'), (text, stranger) => {
      fc.pre(!text.includes(stranger))
      for (const kind of [CharTokenizer, WordTokenizer]) expect(() => kind.fromText(text).encode(`${text}\n${stranger}`)).toThrow(TextError)
    }),
    { numRuns: 50, seed: 1 },
  )
  expect(() => new ByteTokenizer().encode('a\ud800b')).toThrow('got half a character, "\\ud800", at index 1 of the text')
})

test("a person's tokenizer that gives something else than ids is refused where a text is encoded", () => {
  const file = join(mkdtempSync(join(tmpdir(), 'makemoe-tokenizer-')), 'text.txt')
  writeFileSync(file, 'abc')
  for (const wrong of [-1, 3, 0.5, Number.NaN])
    expect(() => encodeCorpus({ vocabSize: 3, encode: () => [0, wrong] }, new Corpus(file))).toThrow(
      `gave the token id ${wrong} for token 1`,
    )
})

test('words keep their letters together', () => {
  const tokenizer = WordTokenizer.fromText("The cat's  hat, 3 naïve cats.\n")
  const tokens = Array.from(tokenizer.encode("The cat's  hat, 3 naïve cats.\n"), (id) => tokenizer.decode([id]))
  expect(tokens).toEqual(['The', ' ', "cat's", '  ', 'hat', ',', ' ', '3', ' ', 'naïve', ' ', 'cats', '.', '\n'])
})

test('bytes that are not UTF-8 are readable', () => {
  expect(new ByteTokenizer().decode([0x61, 0xff, 0x62])).toBe('a\ufffdb')
})

test('a state of another kind is refused', () => {
  for (const state of [null, 7, [1], { a: 'b' }]) {
    expect(() => CharTokenizer.fromState(state)).toThrow(TextError)
    expect(() => WordTokenizer.fromState(state)).toThrow(TextError)
  }
})

test('what shows characters refuses other tokens', () => {
  expect(charactersOf(CharTokenizer.fromText('a👍'), 'a page')).toEqual(['a', '👍'])
  expect(charactersOf({ vocabulary: ['x'] }, 'a page')).toEqual(['x']) // a class of a cell
  for (const tokenizer of [new ByteTokenizer(), WordTokenizer.fromText('to be')])
    expect(() => charactersOf(tokenizer, 'a page')).toThrow(/expected the tokenizer char/)
})
