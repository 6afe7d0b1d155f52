/** A corpus as token ids, in as little memory as the vocabulary allows: a byte each up to 256 tokens, two up to 65,536, else four. */
import { codePointCount } from '../../base/characters'
import type { Corpus } from './corpus'
import { encodeText, type TokenIds, type Tokenizer } from './tokenizer'

/** What encoding needs of a tokenizer. */
export type Encoder = Pick<Tokenizer, 'vocabSize' | 'piecewise' | 'encode'>

function empty(vocabSize: number, length: number): TokenIds {
  if (vocabSize <= 1 << 8) return new Uint8Array(length)
  return vocabSize <= 1 << 16 ? new Uint16Array(length) : new Int32Array(length)
}

/** The same pieces, one of them cut so that one ends after so many characters. */
function* endingAt(pieces: Iterable<string>, characters = 0): Generator<string> {
  let left = characters
  for (const piece of pieces) {
    const count = left > 0 ? codePointCount(piece) : 0
    const isCut = left > 0 && left < count
    const head = isCut ? [...piece].slice(0, left).join('') : piece
    yield head
    if (isCut) yield piece.slice(head.length)
    left -= count
  }
}

/** The token ids of a corpus, and how many of them are for training if it says so; no token spans both parts. */
export function encodeWithSplit(tokenizer: Encoder, corpus: Corpus): { ids: TokenIds; trainTokens?: number } {
  let ids = empty(tokenizer.vocabSize, corpus.bytes) // what is not written takes no memory
  let length = 0
  let characters = corpus.trainCharacters ?? 0
  let trainTokens: number | undefined
  for (const piece of endingAt(tokenizer.piecewise ? corpus.pieces() : [corpus.text], corpus.trainCharacters)) {
    const encoded = encodeText(tokenizer, piece, length)
    if (length + encoded.length > ids.length) {
      const longer = empty(tokenizer.vocabSize, 2 * (length + encoded.length))
      longer.set(ids)
      ids = longer
    }
    ids.set(encoded, length)
    length += encoded.length
    if (characters > 0) {
      characters -= codePointCount(piece)
      if (characters === 0) trainTokens = length
    }
  }
  return { ids: ids.subarray(0, length), ...(trainTokens === undefined ? {} : { trainTokens }) }
}

/**
 * The token ids of a corpus, piece by piece where the tokenizer allows it.
 * @throws TextError if it is not UTF-8 text, has an unknown character, or must be encoded whole and is longer than a string can be
 */
export const encodeCorpus = (tokenizer: Encoder, corpus: Corpus): TokenIds => encodeWithSplit(tokenizer, corpus).ids
