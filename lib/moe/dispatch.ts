/**
 * Dispatch: how tokens reach their experts and come back, without padding and without a loop over tokens.
 *
 * A plan gives every (token, choice) pair a slot; the slots of an expert lie side by side. Rows are gathered into slot order, split by
 * expert (the sizes are known only at run time), and gathered back. The gradient of each gather is the gather the other way round.
 * Pairs are numbered choice by choice: the first choices of all N tokens, then their second choices, so that pair p is of token p mod N.
 */
import { customGradient } from '../tensor/custom-gradient'
import { multiOp, op } from '../tensor/op'
import { type Tensor, tf } from '../tensor/tf'

/** Where each pair goes. N tokens, K choices, E experts, S slots, as many as pairs that are served. All int32. */
export interface DispatchPlan {
  /** The slot of each pair, counted from 0; S: dropped. [K, N] */
  readonly slotOfPair: Tensor
  /** The pair in each slot. [S] */
  readonly pairOfSlot: Tensor
  /** The token in each slot. [S] */
  readonly tokenOfSlot: Tensor
  /** Pairs that each expert serves, which are its slots. [E] */
  readonly load: Tensor
  /** Whether pairs may be dropped. */
  readonly drops: boolean
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

/**
 * Assigns slots.
 * @param indices chosen experts, int32 [N, K]
 * @param gates weights of the chosen experts, float32 [N, K]; used by the policy `rank` alone
 * @param capacity how many pairs an expert serves at most; undefined: all
 */
export function planDispatch(indices: Tensor, gates: Tensor, numExperts: number, capacity?: Capacity): DispatchPlan {
  const [N, K] = indices.shape as [number, number]
  const pairs = N * K
  const expertOfPair = tf.concat(tf.unstack(indices, 1))
  const demand = tf.sum(tf.oneHot(expertOfPair as never, numExperts, 1, 0, 'int32'), 0)
  const load = capacity ? tf.minimum(demand, tf.scalar(capacity.limit, 'int32')) : demand

  const order = capacity ? serviceOrder(gates, capacity.policy) : tf.range(0, pairs, 1, 'int32')
  const asked = partition(order, capacity ? tf.gather(expertOfPair, order as never) : expertOfPair, numExperts)
  const pairOfSlot = tf.concat(capacity ? firstOfEach(asked, load) : asked)

  const slots = tf.cumsum(tf.onesLike(pairOfSlot), 0, true)
  const unserved = capacity ? op('Fill', [tf.tensor1d([pairs], 'int32'), tf.sum(load)]) : tf.zeros([pairs], 'int32')
  const slotOfPair = tf.reshape(op('TensorScatterUpdate', [unserved, tf.expandDims(pairOfSlot, 1), slots]), [K, N])
  const tokenOfSlot = tf.mod(pairOfSlot, tf.scalar(N, 'int32'))
  return { slotOfPair, pairOfSlot, tokenOfSlot, load, drops: capacity !== undefined }
}

/** Values by the number beside them: all with 0, all with 1, and so on, each group in the order given. */
function partition(values: Tensor, numbers: Tensor, groups: number): Tensor[] {
  return multiOp('DynamicPartition', [values, numbers], groups, { num_partitions: groups })
}

/** The first entries of each list, as many as `counts` says. */
function firstOfEach(lists: readonly Tensor[], counts: Tensor): Tensor[] {
  const start = tf.tensor1d([0], 'int32')
  return tf.split(counts, lists.length).map((count, i) => op('Slice', [lists[i] as Tensor, start, count]))
}

/** The order in which pairs are served. int32 [K * N] */
function serviceOrder(gates: Tensor, policy: Capacity['policy']): Tensor {
  const [N, K] = gates.shape as [number, number]
  if (policy === 'flat') return tf.tensor1d(Int32Array.from({ length: N * K }, (_, i) => (i % K) * N + Math.floor(i / K)))
  // Gates are at most 1, so a step of 2 between the ranks keeps them apart.
  const ranks = tf.mul(tf.range(0, K, 1, 'float32'), -2)
  return tf.topk(tf.reshape(tf.transpose(tf.add(gates, ranks)), [N * K]), N * K).indices
}

/** Rows of y by slot; where pairs may be dropped, the slot behind the last is a row of zeros. */
function gatherSlots(y: Tensor, slotOfPair: Tensor, drops: boolean): Tensor {
  const rows = drops ? tf.concat([y, tf.zeros([1, y.shape[1] as number])], 0) : y
  return tf.gather(rows, slotOfPair as never)
}

/**
 * Tokens in slot order.
 * @param x float32 [N, C]
 * @returns float32 [S, C]
 */
export function dispatchRows(x: Tensor, plan: DispatchPlan): Tensor {
  return customGradient([x], ([x], save) => {
    save([plan.slotOfPair])
    return {
      value: tf.gather(x as Tensor, plan.tokenOfSlot as never),
      gradient: (dy, [slotOfPair]) => [tf.addN(tf.unstack(gatherSlots(dy, slotOfPair as Tensor, plan.drops)))],
    }
  })
}

/**
 * Expert outputs back in the order of pairs; a dropped pair gets zeros.
 * @param y float32 [S, C]
 * @returns float32 [K, N, C]
 */
export function collectRows(y: Tensor, plan: DispatchPlan): Tensor {
  return customGradient([y], ([y], save) => {
    save([plan.pairOfSlot])
    return {
      value: gatherSlots(y as Tensor, plan.slotOfPair, plan.drops),
      gradient: (dy, [pairOfSlot]) => [tf.gather(tf.reshape(dy, [-1, dy.shape[2] as number]), pairOfSlot as never)],
    }
  })
}

/**
 * Each token's rows, weighted by its gates and added up.
 * @param served float32 [K, N, C]
 * @param weights float32 [N, K]
 * @returns float32 [N, C]
 */
export function combine(served: Tensor, weights: Tensor): Tensor {
  return customGradient([served, weights], ([served, weights], save) => {
    const gates = tf.unstack(weights as Tensor, 1).map((gate) => tf.expandDims(gate, 1)) // K of [N, 1]
    save([served as Tensor, ...gates])
    return {
      value: tf.addN(tf.unstack(served as Tensor).map((rows, k) => tf.mul(rows, gates[k] as Tensor))),
      gradient: (dy, [served, ...gates]) => [tf.mul(dy, tf.stack(gates)), tf.transpose(tf.sum(tf.mul(served as Tensor, dy), -1))],
    }
  })
}
