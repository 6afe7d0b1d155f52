/** The record of the text that a run learns from, by which a resumed run knows it again. */

import { createHash } from 'node:crypto'
import { codePointCount } from '../base/characters'
import { type Dataset, usualTrainTokens } from '../makemoe/text/dataset'
import { decoderOf, partsOf, type Tokenizer } from '../makemoe/text/tokenizer'
import type { TextRecord } from './checkpoint'

/** The text that a dataset was made from, decoded some tokens at a time, and where it is split if not after the usual share. */
export function recordOfText({ splits }: Dataset, tokenizer: Tokenizer, sha256?: string): TextRecord {
  const hash = createHash('sha256')
  const decode = decoderOf(tokenizer)
  const characters = { train: 0, val: 0 }
  for (const split of ['train', 'val'] as const)
    for (const part of partsOf(splits[split])) {
      const piece = decode(part)
      hash.update(piece)
      characters[split] += codePointCount(piece)
    }
  const isUsual = splits.train.length === usualTrainTokens(splits.train.length + splits.val.length)
  return { sha256: sha256 ?? hash.digest('hex'), ...(isUsual ? {} : { trainCharacters: characters.train }) }
}
