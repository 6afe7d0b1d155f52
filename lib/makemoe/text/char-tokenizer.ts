/** Character-level tokenizer: the vocabulary is the sorted set of a text's characters, and a character's token id is its position in it. */
import { codePoint } from '../../base/assertions'
import { TextError } from '../../base/errors'

/** Turns text into token ids and back. */
export class CharTokenizer {
  /** The characters, by token id. */
  readonly vocabulary: readonly string[]
  private readonly ids: ReadonlyMap<string, number>

  /** @throws TextError if a character is repeated, or is not one character */
  constructor(vocabulary: readonly string[]) {
    this.vocabulary = vocabulary
    this.ids = new Map(vocabulary.map((character, i) => [character, i]))
    if (vocabulary.length === 0 || this.ids.size !== vocabulary.length || vocabulary.some((character) => [...character].length !== 1))
      throw new TextError(`vocabulary: got ${vocabulary.length} entries, expected at least one, each a single character and all different`)
  }

  /** The vocabulary of a text: its characters in order of their code points. */
  static fromText(text: string): CharTokenizer {
    const characters = [...new Set(text)]
    return new CharTokenizer(characters.sort((a, b) => codePoint(a) - codePoint(b)))
  }

  /** V, the number of different characters. */
  get vocabSize(): number {
    return this.vocabulary.length
  }

  /**
   * The token ids of a text.
   * @throws TextError that names the first unknown character and its position, counted from 0
   */
  encode(text: string): Int32Array {
    const characters = Array.from(text)
    return Int32Array.from(characters, (character, position) => {
      const id = this.ids.get(character)
      if (id === undefined)
        throw new TextError(
          `the character ${JSON.stringify(character)} at position ${position} is not in the vocabulary of ${this.vocabSize}`,
        )
      return id
    })
  }

  /**
   * The text of token ids.
   * @throws TextError if an id is outside the vocabulary
   */
  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => {
      const character = this.vocabulary[id]
      if (character === undefined) throw new TextError(`got the token id ${id}, expected 0 to ${this.vocabSize - 1}`)
      return character
    }).join('')
  }
}
