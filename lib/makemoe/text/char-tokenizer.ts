/** Character-level tokenizer: the vocabulary is the sorted set of a text's characters, and a character's token id is its position in it. */
import { codePoint } from '../../base/assertions'
import { TextError } from '../../base/errors'
import { decodeIds, vocabularyFrom } from './vocabulary'

/** Turns text into token ids and back. */
export class CharTokenizer {
  /** The characters, by token id. */
  readonly vocabulary: readonly string[]
  /** A text may be encoded in pieces: the token ids of its pieces, one after the other, are those of the text. */
  readonly piecewise = true
  /** Token ids by code point; -1 where the character is unknown. */
  private readonly ids: Int32Array

  /** @throws TextError if a character is repeated, or is not one character */
  constructor(vocabulary: readonly string[]) {
    this.vocabulary = vocabulary
    if (vocabulary.length === 0 || new Set(vocabulary).size !== vocabulary.length || vocabulary.some((entry) => [...entry].length !== 1))
      throw new TextError(`vocabulary: got ${vocabulary.length} entries, expected at least one, each a single character and all different`)
    const codes = vocabulary.map(codePoint)
    this.ids = new Int32Array(1 + codes.reduce((a, b) => Math.max(a, b))).fill(-1)
    for (const [id, code] of codes.entries()) this.ids[code] = id
  }

  /** The vocabulary of a text, whole or in pieces: its characters in order of their code points. */
  static fromText(text: string | Iterable<string>): CharTokenizer {
    const seen = new Uint8Array(0x110000)
    const codes: number[] = []
    for (const piece of typeof text === 'string' ? [text] : text)
      forEachCodePoint(piece, (code) => {
        if (seen[code] === 0) codes.push(code)
        seen[code] = 1
      })
    codes.sort((a, b) => a - b)
    return new CharTokenizer(codes.map((code) => String.fromCodePoint(code)))
  }

  /** The tokenizer of a saved vocabulary. @throws TextError if it is no list of characters */
  static fromState(state: unknown): CharTokenizer {
    return new CharTokenizer(vocabularyFrom(state, 'characters'))
  }

  /** V, the number of different characters. */
  get vocabSize(): number {
    return this.vocabulary.length
  }

  /**
   * The token ids of a text.
   * @param start the position of its first character, if it is a piece of a longer text
   * @throws TextError that names the first unknown character and its position, counted from 0
   */
  encode(text: string, start = 0): Int32Array {
    const encoded = new Int32Array(text.length)
    let length = 0
    forEachCodePoint(text, (code) => {
      const id = this.ids[code] ?? -1
      if (id < 0) {
        const character = JSON.stringify(String.fromCodePoint(code))
        throw new TextError(`the character ${character} at position ${start + length} is not in the vocabulary of ${this.vocabSize}`)
      }
      encoded[length++] = id
    })
    return length === text.length ? encoded : encoded.slice(0, length)
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

/** Without an array of characters, which a long text has no room for. */
function forEachCodePoint(text: string, visit: (code: number) => void): void {
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i) ?? Number.NaN
    if (code > 0xffff) i++
    visit(code)
  }
}
