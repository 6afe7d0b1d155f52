/**
 * Moving rows between tokens and the slots of experts: gathers whose gradient is the gather the other way round, instead of a scatter.
 * N tokens, K choices, S slots; pair p is of token p mod N. Where pairs may be dropped, `slotOfPair` says S for a dropped one, and slot S,
 * behind the last, reads as a padding row of zeros.
 */
import { at } from '../../base/assertions'
import { customGradient } from './custom-gradient'
import { lastSize } from './shape'
import { type Tensor, tf } from './tf'

/** What is where; int32. */
export interface PairIndex {
  /** The slot of each pair; S: dropped. [K, N] */
  readonly slotOfPair: Tensor
  /** The pair in each slot. [S] */
  readonly pairOfSlot: Tensor
  /** The token in each slot. [S] */
  readonly tokenOfSlot: Tensor
  /** Whether pairs may be dropped. */
  readonly drops: boolean
}

function gatherSlots(y: Tensor, slotOfPair: Tensor, drops: boolean): Tensor {
  const rows = drops ? tf.concat([y, tf.zeros([1, lastSize(y)])], 0) : y
  return tf.gather(rows, slotOfPair)
}

/** Tokens in slot order: float32 [N, C] -> [S, C]. */
export function toSlots(x: Tensor, { slotOfPair, tokenOfSlot, drops }: PairIndex): Tensor {
  return customGradient(
    [x],
    (x) => ({ value: tf.gather(x, tokenOfSlot), save: [slotOfPair] }),
    (dy, [slotOfPair]) => [tf.addN(tf.unstack(gatherSlots(dy, slotOfPair, drops)))],
  )
}

/** Slots in the order of pairs, zeros for a dropped one: float32 [S, C] -> [K, N, C]. */
export function toPairs(y: Tensor, { slotOfPair, pairOfSlot, drops }: PairIndex): Tensor {
  return customGradient(
    [y],
    (y) => ({ value: gatherSlots(y, slotOfPair, drops), save: [pairOfSlot] }),
    (dy, [pairOfSlot]) => [tf.gather(tf.reshape(dy, [-1, lastSize(dy)]), pairOfSlot)],
  )
}

/** The weighted sum of each token's rows: float32 [K, N, C] and [N, K] -> [N, C]. */
export function weightedSum(rows: Tensor, weights: Tensor): Tensor {
  return customGradient(
    [rows, weights],
    (rows, weights) => {
      const columns = tf.unstack(weights, 1).map((column) => tf.expandDims(column, 1)) // K of [N, 1]
      const weighted = tf.unstack(rows).map((row, k) => tf.mul(row, at(columns, k)))
      return { value: tf.addN(weighted), save: [rows, ...columns] }
    },
    (dy, [rows, ...columns]) => [tf.mul(dy, tf.stack(columns)), tf.transpose(tf.sum(tf.mul(rows, dy), -1))],
  )
}
