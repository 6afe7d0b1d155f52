/**
 * Where text comes from: a person's file, or Tiny Shakespeare, which the setup puts into data/input.txt. A file is read in pieces, so that a
 * text may be longer than the longest JavaScript string; whoever can works on the pieces.
 */

import { constants } from 'node:buffer'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { messageOf } from '../../base/assertions'
import { codePointCount } from '../../base/characters'
import { TextError } from '../../base/errors'
import { commandLine } from '../../base/installed'

/** Bytes that are read at a time. */
const pieceSize = 1 << 20

/** A text file (UTF-8). */
export class Corpus {
  /** The file's size. */
  readonly bytes: number

  /**
   * @param source a few words for people: a path, or the name of the collection
   * @param trainCharacters how many characters, the first, are for training, where that is not the usual share
   * @throws TextError if the file cannot be read, or is empty
   */
  constructor(
    private readonly file: string,
    readonly source = file,
    readonly trainCharacters?: number,
  ) {
    try {
      const { size } = statSync(file)
      if (!statSync(file).isFile()) throw new Error('not a file')
      closeSync(openSync(file, 'r'))
      this.bytes = size
    } catch (error) {
      throw new TextError(`cannot read the text ${file}: ${messageOf(error)}`)
    }
    if (this.bytes === 0) throw new TextError(`the text ${file} is empty, expected some characters`)
  }

  /**
   * The text in pieces, cut between characters; read again at each call.
   * @throws TextError if it is not UTF-8 text
   */
  *pieces(size = pieceSize): Generator<string> {
    const descriptor = openSync(this.file, 'r')
    try {
      // A byte-order mark is dropped; UTF-16 and binary files are not valid UTF-8 or hold NULs.
      const decoder = new TextDecoder('utf-8', { fatal: true })
      const buffer = Buffer.alloc(size)
      for (let length = -1; length !== 0; ) {
        length = readSync(descriptor, buffer)
        const piece = this.decode(decoder, buffer.subarray(0, length), length > 0)
        if (piece !== '') yield piece
      }
    } finally {
      closeSync(descriptor)
    }
  }

  private decode(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, stream: boolean): string {
    try {
      const piece = decoder.decode(bytes, { stream })
      if (piece.includes('\0')) throw new Error()
      return piece
    } catch {
      throw new TextError(`${this.file} is not UTF-8 text (a binary file, or another encoding)`)
    }
  }

  /**
   * The whole text.
   * @throws TextError if it is not UTF-8 text, or longer than a string can be
   */
  get text(): string {
    return this.wholeText()
  }

  /** @param limit UTF-16 units that a string can have */
  wholeText(limit = constants.MAX_STRING_LENGTH): string {
    const pieces: string[] = []
    let length = 0
    for (const piece of this.pieces()) {
      pieces.push(piece)
      length += piece.length
      if (length > limit)
        throw new TextError(
          `the text ${this.file} has more than the ${limit} characters that a string can have; work on its pieces(), as encodeCorpus does with a tokenizer that is piecewise, or use a part of it`,
        )
    }
    return pieces.join('')
  }

  /** The same text with another split. */
  splitAfter(trainCharacters: number | undefined): Corpus {
    return new Corpus(this.file, this.source, trainCharacters)
  }

  /** The number of its characters (code points). */
  characterCount(): number {
    let count = 0
    for (const piece of this.pieces()) count += codePointCount(piece)
    return count
  }

  /** The sha256 of the text: its UTF-8 bytes without a byte-order mark. */
  sha256(): string {
    const hash = createHash('sha256')
    for (const piece of this.pieces()) hash.update(piece)
    return hash.digest('hex')
  }
}

export interface CorpusOptions {
  readonly file?: string
  /** Where Tiny Shakespeare is. */
  readonly defaultFile: string
  /** What the default file is called for people. */
  readonly defaultSource?: string
}

/**
 * The text to train on: `file` if given, else the default file (Tiny Shakespeare).
 * @throws TextError if it cannot be read
 */
export function loadCorpus({ file, defaultFile, defaultSource = 'data/input.txt' }: CorpusOptions): Corpus {
  if (file !== undefined) return new Corpus(file)
  if (!existsSync(defaultFile))
    throw new TextError(
      `got no text at ${defaultFile}, expected a text file (${commandLine('setup')} brings the default one, Tiny Shakespeare)`,
    )
  return new Corpus(defaultFile, defaultSource)
}
