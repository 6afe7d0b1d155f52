/** Characters as numbers: the vocabulary is the sorted set of a text's characters, and a character's number is its place in it. */
import { TextError } from '../errors'

/** Turns text into numbers and back. */
export class CharTokenizer {
  /** The characters, in the order of their numbers. */
  readonly vocabulary: readonly string[]
  private readonly numbers: ReadonlyMap<string, number>

  /** @throws TextError if a character is repeated, or is not one character */
  constructor(vocabulary: readonly string[]) {
    this.vocabulary = vocabulary
    this.numbers = new Map(vocabulary.map((character, i) => [character, i]))
    if (vocabulary.length === 0 || this.numbers.size !== vocabulary.length || vocabulary.some((character) => [...character].length !== 1))
      throw new TextError(`vocabulary: got ${vocabulary.length} entries, expected at least one, each a single character and all different`)
  }

  /** The vocabulary of a text: its characters in order of their code points. */
  static fromText(text: string): CharTokenizer {
    const characters = [...new Set(text)]
    return new CharTokenizer(characters.sort((a, b) => (a.codePointAt(0) as number) - (b.codePointAt(0) as number)))
  }

  /** V, the number of different characters. */
  get vocabSize(): number {
    return this.vocabulary.length
  }

  /**
   * The numbers of a text's characters.
   * @throws TextError that names the first unknown character and its position, counted from 0
   */
  encode(text: string): Int32Array {
    const characters = Array.from(text)
    return Int32Array.from(characters, (character, position) => {
      const number = this.numbers.get(character)
      if (number === undefined)
        throw new TextError(
          `the character ${JSON.stringify(character)} at position ${position} is not in the vocabulary of ${this.vocabSize}`,
        )
      return number
    })
  }

  /**
   * The text of some numbers.
   * @throws TextError if a number is outside the vocabulary
   */
  decode(ids: ArrayLike<number>): string {
    return Array.from(ids, (id) => {
      const character = this.vocabulary[id]
      if (character === undefined) throw new TextError(`got the token ${id}, expected 0 to ${this.vocabSize - 1}`)
      return character
    }).join('')
  }
}
