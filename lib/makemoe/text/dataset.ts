/**
 * A text as training and validation data: the first 90 %, or what the text says, and the rest; cut into windows of T tokens with the next tokens as targets.
 */
import { at } from '../../base/assertions'
import { TextError } from '../../base/errors'
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Corpus } from './corpus'
import { type Encoder, encodeWithSplit } from './encode-corpus'
import type { TokenIds } from './tokenizer'

export type Split = 'train' | 'val'

/** int(0.9 n): how many of n tokens are for training where the text does not say. */
export const usualTrainTokens = (tokens: number): number => Math.floor(0.9 * tokens)

/** B windows: x int32 [B, T], and y the same shifted by one token. */
export interface Batch {
  readonly x: Tensor
  readonly y: Tensor
}

/** The token ids of a text, split into training and validation; batches are windows x int32 [B, T] and their targets y, one token later. */
export class Dataset<Ids extends TokenIds = TokenIds> {
  /** The token ids of each split. */
  readonly splits: Readonly<Record<Split, Ids>>

  /**
   * @param ids of the whole text
   * @param trainTokens how many of them, the first, are for training
   * @throws TextError if a split has no room for a window and its target
   */
  constructor(
    ids: Ids,
    readonly blockSize: number,
    trainTokens = usualTrainTokens(ids.length),
  ) {
    const part = (start: number, end?: number): Ids => ids.subarray(start, end) as Ids // a subarray is of its array's type
    this.splits = { train: part(0, trainTokens), val: part(trainTokens) }
    const shortest = Math.min(this.splits.train.length, this.splits.val.length)
    if (shortest <= blockSize) {
      const expected = `at least ${10 * (blockSize + 1)} so that each split holds a window of ${blockSize}`
      throw new TextError(`the text is too short: got ${ids.length} characters, expected ${expected}`)
    }
  }

  /**
   * The windows that start at the given offsets.
   * @param offsets B positions in the split
   * @returns x and y, int32 [B, T]
   */
  batchAt(split: Split, offsets: ArrayLike<number>): Batch {
    const { blockSize: T } = this
    const data = this.splits[split]
    const B = offsets.length
    const x = new Int32Array(B * T)
    const y = new Int32Array(B * T)
    for (let b = 0; b < B; b++) {
      const offset = at(offsets, b)
      x.set(data.subarray(offset, offset + T), b * T)
      y.set(data.subarray(offset + 1, offset + 1 + T), b * T)
    }
    return { x: tf.tensor2d(x, [B, T], 'int32'), y: tf.tensor2d(y, [B, T], 'int32') }
  }

  /**
   * Windows at random offsets in [0, length - T), with replacement.
   * @returns x and y, int32 [B, T]
   */
  randomBatch(split: Split, batchSize: number, stream: RandomStream): Batch {
    const offsets = stream.integers([batchSize], 0, this.splits[split].length - this.blockSize)
    const batch = this.batchAt(split, offsets.dataSync())
    offsets.dispose()
    return batch
  }

  /**
   * Consecutive windows that cover a split, each token a target once; the last batch may be smaller.
   * @param characters how many to cover, from the split's beginning, in whole windows; default: all
   */
  *windows(split: Split, batchSize = 64, characters = Number.POSITIVE_INFINITY): Generator<Batch> {
    const all = Math.floor((this.splits[split].length - 1) / this.blockSize)
    const count = Math.min(all, Math.ceil(characters / this.blockSize))
    for (let first = 0; first < count; first += batchSize) {
      const size = Math.min(batchSize, count - first)
      yield this.batchAt(
        split,
        Array.from({ length: size }, (_, i) => (first + i) * this.blockSize),
      )
    }
  }
}

/**
 * A corpus as a dataset, split where the corpus says, else after the usual share, 90 %.
 * @param blockSize T, the length of a window
 * @throws TextError as encodeCorpus, or if a split has no room for a window of `blockSize` and its target
 */
export function datasetOf(tokenizer: Encoder, corpus: Corpus, blockSize: number): Dataset {
  const { ids, trainTokens } = encodeWithSplit(tokenizer, corpus)
  if (trainTokens === undefined && corpus.trainCharacters !== undefined)
    throw new TextError(
      `${corpus.source}: expected more than the ${corpus.trainCharacters} characters for training, got ${ids.length} tokens in all`,
    )
  return new Dataset(ids, blockSize, trainTokens)
}
