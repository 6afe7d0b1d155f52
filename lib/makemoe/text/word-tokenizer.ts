/**
 * Word-level tokenizer: a token is a word with its digits and apostrophes, a run of spaces, or any other single character; the vocabulary is
 * the sorted set of a text's tokens. Simplified: a word that the text does not have is refused, not cut into known pieces.
 */
import { TextError } from '../../base/errors'
import { decodeIds, vocabularyFrom } from './vocabulary'

const token = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*|[ ]+|./gsu

const tokensOf = (text: string): string[] => text.match(token) ?? []

/** Turns text into the ids of its words and back. */
export class WordTokenizer {
  private readonly ids: ReadonlyMap<string, number>

  /**
   * @param vocabulary the tokens, by token id
   * @throws TextError if there is none, or one twice
   */
  constructor(readonly vocabulary: readonly string[]) {
    this.ids = new Map(vocabulary.map((entry, id) => [entry, id]))
    if (vocabulary.length === 0 || this.ids.size !== vocabulary.length)
      throw new TextError(`vocabulary: got ${vocabulary.length} words, expected at least one, all different`)
  }

  /** The vocabulary of a text: its tokens in order. */
  static fromText(text: string | Iterable<string>): WordTokenizer {
    const whole = typeof text === 'string' ? text : [...text].join('') // a piece may end within a word
    return new WordTokenizer([...new Set(tokensOf(whole))].sort())
  }

  /** The tokenizer of a saved vocabulary. @throws TextError if it is no list of words */
  static fromState(state: unknown): WordTokenizer {
    return new WordTokenizer(vocabularyFrom(state, 'words'))
  }

  /** V, the number of different tokens. */
  get vocabSize(): number {
    return this.vocabulary.length
  }

  /**
   * The token ids of a text.
   * @throws TextError that names the first unknown word and the token that it is, counted from 0
   */
  encode(text: string, start = 0): Int32Array {
    return Int32Array.from(tokensOf(text), (word, i) => {
      const id = this.ids.get(word)
      if (id === undefined)
        throw new TextError(
          `the word ${JSON.stringify(word)}, token ${start + i} of the text, is not in the vocabulary of ${this.vocabSize}`,
        )
      return id
    })
  }

  /**
   * The text of token ids.
   * @throws TextError if an id is outside the vocabulary
   */
  decode(ids: ArrayLike<number>): string {
    return decodeIds(this.vocabulary, ids)
  }

  /** Its vocabulary. */
  state(): readonly string[] {
    return this.vocabulary
  }
}
