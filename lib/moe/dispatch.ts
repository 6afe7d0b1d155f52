/**
 * Dispatch: how tokens reach their experts and come back, without padding to a common size and without a loop over tokens.
 *
 * A plan gives every (token, choice) pair a slot; the slots of an expert lie side by side. Rows are gathered into slot order, split by
 * expert (the sizes are known only at run time), and gathered back. The gradient of each gather is the gather the other way round.
 * Indices count from 1; 0 stands for a row of zeros, which is what a dropped pair gets.
 */
import { customGradient } from '../tensor/custom-gradient'
import { op } from '../tensor/op'
import { type Tensor, tf } from '../tensor/tf'

/** Where each pair goes. N tokens, K choices, E experts, S slots. All int32. */
export interface DispatchPlan {
  /** The slot of each pair, counted from 1; 0: dropped. [N * K], token by token. */
  readonly slotOfPair: Tensor
  /** The pair in each slot, counted from 1; 0: an empty slot. [S] */
  readonly pairOfSlot: Tensor
  /** The token in each slot, counted from 1; 0: an empty slot. [S] */
  readonly tokenOfSlot: Tensor
  /** Slots of each expert. [E] */
  readonly sizes: Tensor
  /** Pairs that each expert serves. [E] */
  readonly load: Tensor
  readonly topK: number
}

/** Which pairs an expert keeps when it has more than it may serve. */
export interface Capacity {
  /** Pairs that an expert serves at most. */
  readonly limit: number
  /**
   * `flat`: the first in the order of tokens, as the original. `rank`: all first choices before any second choice, and among equals the
   * larger gate first (GShard, 2006.16668, section 2.2, orders by choice; the gate breaks ties fairly between places in the batch).
   */
  readonly policy: 'flat' | 'rank'
}

/** Slots of an expert are rounded up to a multiple of this: oneDNN prepares a kernel for each new row count, which costs milliseconds. */
const rowMultiple = 16

/**
 * Assigns slots.
 * @param indices chosen experts, int32 [N, K]
 * @param gates weights of the chosen experts, float32 [N, K]; used by the policy `rank` alone
 * @param capacity how many pairs an expert serves at most; undefined: all
 */
export function planDispatch(indices: Tensor, gates: Tensor, numExperts: number, capacity?: Capacity): DispatchPlan {
  const [tokens, topK] = indices.shape as [number, number]
  const pairs = tokens * topK
  const expertOfPair = tf.reshape(indices, [pairs])
  const member = tf.oneHot(expertOfPair as never, numExperts, 1, 0, 'int32')
  // How many pairs come before each pair at its own expert, in the order of service.
  const order = capacity?.policy === 'rank' ? serviceOrder(gates) : undefined
  const inOrder = order ? tf.gather(member, order as never) : member
  const before = tf.cumsum(inOrder, 0, true)
  const positionInOrder = tf.sum(tf.mul(before, inOrder), 1)
  const position = order ? tf.gather(positionInOrder, inverse(order) as never) : positionInOrder
  const demand = tf.sum(member, 0)

  const load = capacity ? tf.minimum(demand, tf.scalar(capacity.limit, 'int32')) : demand
  const sizes = roundUp(load)
  const offsets = tf.cumsum(sizes, 0, true)
  const place = tf.add(tf.add(tf.gather(offsets, expertOfPair as never), position), tf.scalar(1, 'int32'))
  const slotOfPair = capacity ? tf.mul(place, tf.cast(tf.less(position, tf.scalar(capacity.limit, 'int32')), 'int32')) : place

  const most = capacity ? Math.min(pairs, capacity.limit * numExperts) : pairs
  const room = most + numExperts * (rowMultiple - 1)
  const pairNumbers = tf.range(1, pairs + 1, 1, 'int32')
  // Place 0 collects the dropped pairs and is cut off; so is what no expert asked for.
  const scattered = op('TensorScatterUpdate', [tf.zeros([room + 1], 'int32'), tf.expandDims(slotOfPair, 1), pairNumbers])
  const pairOfSlot = op('Slice', [scattered, tf.tensor1d([1], 'int32'), tf.reshape(tf.sum(sizes), [1])])
  const tokenOfSlot = tf.floorDiv(tf.add(pairOfSlot, tf.scalar(topK - 1, 'int32')), tf.scalar(topK, 'int32'))
  return { slotOfPair, pairOfSlot, tokenOfSlot, sizes, load: tf.cast(load, 'int32'), topK }
}

const roundUp = (counts: Tensor): Tensor => {
  const multiple = tf.scalar(rowMultiple, 'int32')
  return tf.mul(tf.floorDiv(tf.add(counts, tf.scalar(rowMultiple - 1, 'int32')), multiple), multiple)
}

/** The order in which pairs are served: first choices by falling gate, then second choices, and so on. int32 [N * K] */
function serviceOrder(gates: Tensor): Tensor {
  const [tokens, topK] = gates.shape as [number, number]
  // Gates are at most 1, so a step of 2 between the ranks keeps them apart.
  const ranks = tf.mul(tf.range(0, topK, 1, 'float32'), -2)
  const priority = tf.reshape(tf.add(gates, ranks), [tokens * topK])
  return tf.topk(priority, tokens * topK).indices
}

const inverse = (permutation: Tensor): Tensor => op('InvertPermutation', [permutation])

/** Rows of x by number, counted from 1; number 0 gives a row of zeros. */
function gatherRows(x: Tensor, numbers: Tensor): Tensor {
  const width = x.shape[1] as number
  return tf.gather(tf.concat([tf.zeros([1, width]), x as never], 0), numbers as never)
}

/**
 * Tokens in slot order.
 * @param x float32 [N, C]
 * @returns float32 [S, C]
 */
export function dispatchRows(x: Tensor, plan: DispatchPlan): Tensor {
  const [tokens, width] = x.shape as [number, number]
  return customGradient([x], ([x], save) => {
    save([plan.slotOfPair])
    return {
      value: gatherRows(x as Tensor, plan.tokenOfSlot),
      gradient: (dy, [slotOfPair]) => [tf.sum(tf.reshape(gatherRows(dy, slotOfPair as Tensor), [tokens, plan.topK, width]), 1)],
    }
  })
}

/**
 * Expert outputs back in the order of pairs; a dropped pair gets zeros.
 * @param y float32 [S, C]
 * @returns float32 [N * K, C]
 */
export function collectRows(y: Tensor, plan: DispatchPlan): Tensor {
  return customGradient([y], ([y], save) => {
    save([plan.pairOfSlot])
    return { value: gatherRows(y as Tensor, plan.slotOfPair), gradient: (dy, [pairOfSlot]) => [gatherRows(dy, pairOfSlot as Tensor)] }
  })
}
