/** Byte-level tokenizer: the tokens of a text are its UTF-8 bytes, so that any text can be encoded with 256 tokens. */
import { TextError } from '../../base/errors'

/** Turns text into its UTF-8 bytes and back; V = 256. */
export class ByteTokenizer {
  readonly vocabSize = 256
  readonly piecewise = true

  /** The same for every text. */
  static fromText(_text: string | Iterable<string>): ByteTokenizer {
    return new ByteTokenizer()
  }

  /** The same for every state. */
  static fromState(_state: unknown): ByteTokenizer {
    return new ByteTokenizer()
  }

  /**
   * The UTF-8 bytes of a text.
   * @throws TextError if it has half a character: a surrogate without its other half, which UTF-8 cannot say
   */
  encode(text: string): Uint8Array {
    const half = /\p{Surrogate}/u.exec(text)
    if (half)
      throw new TextError(`got half a character, ${JSON.stringify(half[0])}, at index ${half.index} of the text, expected Unicode text`)
    return new TextEncoder().encode(text)
  }

  /**
   * The text of bytes; what is not UTF-8, as a model may write it, becomes U+FFFD.
   * @throws TextError if an id is not a byte
   */
  decode(ids: ArrayLike<number>): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(ids))
  }

  /** Decodes a text that comes in pieces; a character that its bytes do not complete waits for the next piece. */
  decoder(): (ids: ArrayLike<number>) => string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return (ids) => decoder.decode(bytesOf(ids), { stream: true })
  }

  /** Nothing: there is only one. */
  state(): null {
    return null
  }
}

function bytesOf(ids: ArrayLike<number>): Uint8Array {
  return Uint8Array.from(ids, (id) => {
    if (!Number.isInteger(id) || id < 0 || id > 255) throw new TextError(`got the token id ${id}, expected 0 to 255`)
    return id
  })
}
