/**
 * Evaluation: the original's estimate (mean loss over random batches), and the exact mean over a whole split.
 */

import type { SparseMoELanguageModel } from '../model/language-model'
import type { Context } from '../nn/context'
import { crossEntropyRows } from '../nn/loss'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import type { Dataset, Split } from '../text/dataset'
import type { Loss } from './step'

export interface EstimateOptions {
  /** Sequences in a batch. */
  readonly batchSize: number
  /** Batches of each split. */
  readonly iterations: number
  /** Batches that may be computed at once, where it makes no difference to the loss. Default 1. */
  readonly together?: number
  readonly stream: RandomStream
  readonly signal?: AbortSignal | undefined
}

/**
 * The mean loss over `iterations` random batches of each split, in nats.
 * @returns undefined if the signal stopped it
 */
export async function estimateLoss(
  loss: Loss,
  dataset: Dataset,
  { batchSize, iterations, together = 1, stream, signal }: EstimateOptions,
): Promise<Record<Split, number> | undefined> {
  // Equal groups, so that the mean of their means is the mean of all.
  const group = Array.from({ length: together }, (_, i) => together - i).find((size) => iterations % size === 0) as number
  const means = { train: 0, val: 0 }
  for (const split of ['train', 'val'] as const) {
    let sum = 0
    for (let i = 0; i < iterations; i += group) {
      const { x, y } = dataset.randomBatch(split, batchSize * group, stream)
      const value = loss(x, y)
      sum += (value.dataSync()[0] as number) * group
      tf.dispose([x, y, value])
      await new Promise((resolve) => setImmediate(resolve)) // signals get their turn
      if (signal?.aborted) return undefined
    }
    means[split] = sum / iterations
  }
  return means
}

/** Parts of a batch that are computed at the same time. */
const branches = 2

/**
 * The same mean loss, in two branches that have nothing to wait for in each other: a graph keeps two cores busy with them, where one
 * forward pass alone has stretches with nothing to share out.
 * @param unit sequences that stay in one branch: a whole batch if its tokens depend on each other, as they do where capacity counts
 */
export function inBranches(loss: Loss, unit: number): Loss {
  return (x, y) => {
    if (((x.shape[0] as number) / unit) % branches !== 0) return loss(x, y)
    const targets = tf.split(y, branches)
    return tf.mean(tf.stack(tf.split(x, branches).map((part, i) => loss(part, targets[i] as Tensor))))
  }
}

/** How many batches an evaluation best takes at once; those of a branch become one, if that makes no difference to the loss. */
export const batchesAtOnce = (separate: boolean): number => branches * (separate ? 1 : 4)

/** The sum of the cross-entropies of all characters of a batch, in nats; a scalar. To be compiled, or not. */
export function makeLossSum(model: SparseMoELanguageModel, ctx: Context): Loss {
  return (x, y) =>
    tf.tidy(() => {
      const logits: Tensor = model.forward(x, ctx)
      return tf.sum(crossEntropyRows(tf.reshape(logits, [x.size, -1]), tf.reshape(y, [-1])))
    })
}

/** What the exact evaluation found. */
export interface ExactLoss {
  /** Mean cross-entropy in nats. */
  readonly nats: number
  /** The same in bits per character. */
  readonly bitsPerCharacter: number
  /** Characters that were predicted. */
  readonly characters: number
}

/**
 * The exact mean cross-entropy over consecutive windows of a split.
 * @param lossSum from `makeLossSum`
 * @param onProgress called after each batch with the share that is done
 */
export function exactLoss(
  lossSum: Loss,
  dataset: Dataset,
  { split = 'val', batchSize = 64, onProgress }: { split?: Split; batchSize?: number; onProgress?: (share: number) => void } = {},
): ExactLoss {
  let sum = 0
  let characters = 0
  for (const { x, y } of dataset.windows(split, batchSize)) {
    const value = lossSum(x, y)
    sum += value.dataSync()[0] as number
    characters += x.size
    tf.dispose([x, y, value])
    onProgress?.(characters / dataset.splits[split].length)
  }
  const nats = sum / characters
  return { nats, bitsPerCharacter: nats / Math.LN2, characters }
}
