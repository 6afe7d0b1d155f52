/**
 * The tokenizers by name: option `--tokenizer`. A new one is a file beside these and a line here; one of a person's own is passed by value
 * (`startRun`) or exported from a file of parts (`export const tokenizer`).
 */

import { isOneOf, keysOf } from '../../base/assertions'
import { codePointCount } from '../../base/characters'
import { CheckpointError, ConfigError } from '../../base/errors'
import { ByteTokenizer } from './byte-tokenizer'
import { CharTokenizer } from './char-tokenizer'
import type { Tokenizer, TokenizerKind } from './tokenizer'
import { WordTokenizer } from './word-tokenizer'

/** The tokenizers by name. */
export const tokenizers = {
  char: CharTokenizer,
  word: WordTokenizer,
  byte: ByteTokenizer,
} as const satisfies Record<string, TokenizerKind>

export type TokenizerName = keyof typeof tokenizers

/** The name of a tokenizer of lib; undefined for one of a person's own. */
export const nameOfTokenizer = (tokenizer: Tokenizer): TokenizerName | undefined =>
  keysOf(tokenizers).find((name) => tokenizer instanceof tokenizers[name])

/** A tokenizer as a checkpoint records it: by its name in the table, or as a part of a person's own. */
export interface TokenizerRecord {
  readonly name?: string | undefined
  readonly state: unknown
}

/**
 * The tokenizer of a record.
 * @param own the part that the checkpoint was made with, if its tokenizer is not lib's
 * @throws CheckpointError if it is neither lib's nor given; TextError if its state is damaged
 */
export function restoreTokenizer({ name, state }: TokenizerRecord, own: TokenizerKind | undefined): Tokenizer {
  if (name !== undefined && isOneOf(keysOf(tokenizers), name)) return tokenizers[name].fromState(state)
  if (name !== undefined) throw new CheckpointError(`tokenizer: got ${name}, expected one of ${keysOf(tokenizers).join(', ')}`)
  if (!own)
    throw new CheckpointError(
      'the run was made with a tokenizer that is not of lib; give it again, as the part tokenizer (--parts FILE exports it)',
    )
  return own.fromState(state)
}

/**
 * The vocabulary of a tokenizer whose tokens are characters, for what shows a text character by character.
 * @param what shows it, for the message
 * @throws ConfigError if a token is something else
 */
export function charactersOf(tokenizer: Tokenizer | { readonly vocabulary: readonly string[] }, what: string): readonly string[] {
  const vocabulary = 'vocabulary' in tokenizer ? tokenizer.vocabulary : []
  if (vocabulary.length > 0 && vocabulary.every((entry) => codePointCount(entry) === 1)) return vocabulary
  throw new ConfigError(
    `${what} shows a text character by character: got a model whose tokens are not characters, expected the tokenizer char`,
  )
}
