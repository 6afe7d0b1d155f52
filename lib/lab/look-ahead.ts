/**
 * What a model gains by looking ahead: its loss with whole windows before it, as in training, and with each character predicted from those
 * before it alone, as when it writes. They differ where a router decides by later tokens too (expert choice).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { at } from '../base/assertions'
import { crossEntropyRows } from '../engine/tensor/cross-entropy'
import { type Tensor, tf } from '../engine/tensor/tf'
import type { MixtureContext } from '../makemoe/moe/context'
import type { Batch, Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { makeLossSum } from '../makemoe/train/evaluate'
import type { Loss } from '../makemoe/train/step'

/** Means over the same characters, in nats. */
export interface LookAhead {
  /** Every window by itself, all its characters at once. */
  readonly parallel: number
  /** Every character from those before it in its window. */
  readonly oneByOne: number
}

export interface LookAheadOptions {
  readonly ctx: MixtureContext
  readonly compile: Compile
  readonly signal?: AbortSignal | undefined
}

/** Windows that are measured, spread over the validation split. */
const measured = 64

/** @returns undefined if the signal stopped it */
export async function lookAhead(
  model: { forward(x: Tensor, ctx: MixtureContext): Tensor },
  dataset: Dataset,
  { ctx, compile, signal }: LookAheadOptions,
): Promise<LookAhead | undefined> {
  const { blockSize: T, splits } = dataset
  const whole = compile(makeLossSum(model, ctx))
  const last = compile((x: Tensor, y: Tensor) => {
    const [, t = 1] = x.shape
    return tf.tidy(() => {
      const logits = tf.slice(model.forward(x, ctx), [0, t - 1, 0])
      return tf.sum(crossEntropyRows(tf.reshape(logits, [1, -1]), tf.reshape(tf.slice(y, [0, t - 1], [1, 1]), [1])))
    })
  })
  const room = splits.val.length - T
  const count = Math.min(measured, room)
  let [parallel, oneByOne] = [0, 0]
  try {
    for (let i = 0; i < count; i++) {
      const offset = Math.floor((i * room) / count)
      parallel += sumOf(whole, dataset.batchAt('val', [offset]))
      for (let t = 1; t <= T; t++) oneByOne += sumOf(last, prefix(dataset, offset, t))
      await nextTurn() // signals get their turn
      if (signal?.aborted) return undefined
    }
  } finally {
    whole.dispose?.()
    last.dispose?.()
  }
  return { parallel: parallel / (count * T), oneByOne: oneByOne / (count * T) }
}

/** The first t characters of a window, and what follows each of them. */
function prefix({ splits: { val } }: Dataset, offset: number, t: number): Batch {
  const row = (from: number): Tensor => tf.tensor2d(Int32Array.from(val.subarray(from, from + t)), [1, t], 'int32')
  return { x: row(offset), y: row(offset + 1) }
}

/** A sum of losses; the batch is disposed of. */
function sumOf(loss: Loss, { x, y }: Batch): number {
  const value = loss(x, y)
  const sum = at(value.dataSync(), 0)
  tf.dispose([x, y, value])
  return sum
}
