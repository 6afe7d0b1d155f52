/** Where text comes from: a person's file, or Tiny Shakespeare, which the setup puts into data/input.txt. */

import { existsSync, readFileSync, statSync } from 'node:fs'
import { messageOf } from '../../base/assertions'
import { TextError } from '../../base/errors'
import { commandLine } from '../../base/installed'

/** A text and where it came from. */
export interface Corpus {
  readonly text: string
  /** A few words for people: a path, or the name of the collection. */
  readonly source: string
}

/**
 * Reads a text file (UTF-8).
 * @throws TextError if it cannot be read, is empty, or is not UTF-8 text.
 */
export function readTextFile(file: string): string {
  let bytes: Buffer
  try {
    if (!statSync(file).isFile()) throw new Error('not a file')
    bytes = readFileSync(file)
  } catch (error) {
    throw new TextError(`cannot read the text ${file}: ${messageOf(error)}`)
  }
  if (bytes.length === 0) throw new TextError(`the text ${file} is empty, expected some characters`)
  try {
    // A byte-order mark is dropped; UTF-16 and binary files are not valid UTF-8 or hold NULs.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (text.includes('\0')) throw new Error()
    return text
  } catch {
    throw new TextError(`${file} is not UTF-8 text (a binary file, or another encoding)`)
  }
}

/**
 * The text to train on: `file` if given, else the default file (Tiny Shakespeare).
 * @throws TextError if it cannot be read
 */
export function loadCorpus(options: { readonly file?: string; readonly defaultFile: string }): Corpus {
  if (options.file !== undefined) return { text: readTextFile(options.file), source: options.file }
  if (!existsSync(options.defaultFile))
    throw new TextError(`got no text at ${options.defaultFile}, expected Tiny Shakespeare there: ${commandLine('setup')} brings it`)
  return { text: readTextFile(options.defaultFile), source: 'data/input.txt' }
}
