/** What a tokenizer is: it turns text into token ids and back. */
import { codePointCount } from '../../base/characters'
import { ConfigError, TextError } from '../../base/errors'

/** The token ids of a text. */
export type TokenIds = Uint8Array | Uint16Array | Int32Array

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** V: token ids are 0 to V - 1. */
  readonly vocabSize: number
  /** Whether the token ids of a text's pieces, one after the other, are those of the text, wherever it is cut between characters. */
  readonly piecewise?: boolean
  /**
   * The token ids of a text.
   * @param start tokens before this text, if it is a piece of a longer one
   * @throws TextError if it has something unknown
   */
  encode(text: string, start?: number): ArrayLike<number>
  /** The text of token ids. @throws TextError if an id is outside the vocabulary */
  decode(ids: ArrayLike<number>): string
  /** Decodes a text that comes in pieces; a character that its tokens do not complete waits for the next piece. Absent: `decode` will do. */
  decoder?(): (ids: ArrayLike<number>) => string
  /** All that makes it anew, as JSON: it is saved with a checkpoint. */
  state(): unknown
}

/** Makes tokenizers of one kind: a part of a run. */
export interface TokenizerKind {
  /** The tokenizer of a text, whole or in pieces. */
  fromText(text: string | Iterable<string>): Tokenizer
  /** The one that was saved. @throws TextError if it is of another kind */
  fromState(state: unknown): Tokenizer
}

/**
 * The token ids of a text, as a model can take them.
 * @param start tokens before this text, if it is a piece of a longer one
 * @throws TextError if the tokenizer refuses the text, or gives something else than its ids: -1 for what it does not know, say
 */
export function encodeText(tokenizer: Pick<Tokenizer, 'vocabSize' | 'encode'>, text: string, start = 0): ArrayLike<number> {
  const ids = tokenizer.encode(text, start)
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? Number.NaN
    if (!Number.isInteger(id) || id < 0 || id >= tokenizer.vocabSize)
      throw new TextError(
        `the tokenizer gave the token id ${id} for token ${start + i} of the text, expected 0 to ${tokenizer.vocabSize - 1}`,
      )
  }
  return ids
}

/** Decodes a text piece by piece. */
export const decoderOf = (tokenizer: Tokenizer): ((ids: ArrayLike<number>) => string) =>
  tokenizer.decoder?.() ?? ((ids) => tokenizer.decode(ids))

/**
 * The number of characters (code points) that token ids stand for.
 * @param ids of a text; a character that they begin or end within counts
 */
export function characterCountOf(tokenizer: Tokenizer, ids: TokenIds): number {
  const decode = decoderOf(tokenizer)
  let count = 0
  for (const part of partsOf(ids)) count += codePointCount(decode(part))
  return count
}

/** Token ids some at a time, so that their text is not longer than a string can be. */
export function* partsOf(ids: TokenIds, length = 1 << 16): Generator<TokenIds> {
  for (let start = 0; start < ids.length; start += length) yield ids.subarray(start, start + length)
}

/**
 * Refuses what is no tokenizer, before anything is trained with it.
 * @throws ConfigError
 */
export function checkTokenizer(tokenizer: Tokenizer): void {
  const { vocabSize } = tokenizer
  if (!Number.isInteger(vocabSize) || vocabSize < 1) throw new ConfigError(`tokenizer: got the vocabSize ${vocabSize}, expected at least 1`)
  const missing = (['encode', 'decode', 'state'] as const).find((name) => typeof tokenizer[name] !== 'function')
  if (missing) throw new ConfigError(`tokenizer: got one without ${missing}(), expected encode, decode, vocabSize and state`)
}
