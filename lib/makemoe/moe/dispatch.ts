/**
 * Dispatch: how tokens reach their experts and come back, without padding and without a loop over tokens.
 *
 * A plan gives every (token, choice) pair a slot; the slots of an expert lie side by side. Rows are gathered into slot order, split by
 * expert (the sizes are known only at run time), and gathered back.
 * Pairs are numbered choice by choice: the first choices of all N tokens, then their second choices, so that pair p is of token p mod N.
 */

import { multiOp, op } from '../../engine/tensor/op'
import { type PairIndex, toPairs, toSlots, weightedSum } from '../../engine/tensor/pairs'
import { matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { Routing } from './contracts'
import { type DropPolicy, type DropPolicyName, dropPolicies } from './parts'

/** The slot of each pair. N tokens, K choices, E experts, S slots, one for each pair that is served. All int32. */
export interface DispatchPlan extends PairIndex {
  /** Pairs that asked for each expert. [E] */
  readonly demand: Tensor
  /** Pairs that each expert serves, which are its slots. [E] */
  readonly load: Tensor
  /** Pairs that an expert serves at most: its capacity, or all N tokens, since a token has no expert twice. */
  readonly limit: number
}

/** Which pairs an expert keeps when it has more than it may serve. */
export interface Capacity {
  /** Pairs that an expert serves at most. */
  readonly limit: number
  readonly policy: DropPolicyName | DropPolicy
}

/**
 * Assigns slots.
 * @param routing the router's decision; the gates are for the drop policy
 * @param capacity how many pairs an expert serves at most; undefined: all
 * @param ctx for a drop policy that draws
 */
export function planDispatch(
  { experts, gates, partial = false }: Pick<Routing, 'experts' | 'gates' | 'partial'>,
  numExperts: number,
  capacity?: Capacity,
  ctx?: Context,
): DispatchPlan {
  const [N, K] = matrixShape(experts, 'planDispatch: experts')
  const pairs = N * K
  const expertOfPair = tf.concat(tf.unstack(experts, 1))
  const demand = tf.sum(tf.oneHot(expertOfPair, numExperts, 1, 0, 'int32'), 0)
  const load = capacity ? tf.minimum(demand, tf.scalar(capacity.limit, 'int32')) : demand

  const order = capacity ? serviceOrder(capacity.policy)(gates, ctx) : tf.range(0, pairs, 1, 'int32')
  const groups = partition(order, capacity ? tf.gather(expertOfPair, order) : expertOfPair, numExperts + (partial ? 1 : 0))
  const asked = groups.slice(0, numExperts) // the last group of a partial routing holds its unused choices
  const pairOfSlot = tf.concat(capacity ? firstOfEach(asked, load) : asked)

  const slots = tf.cumsum(tf.onesLike(pairOfSlot), 0, true)
  const drops = capacity !== undefined || partial
  const paddingSlots = drops ? op('Fill', [tf.tensor1d([pairs], 'int32'), tf.sum(load)]) : tf.zeros([pairs], 'int32')
  const slotOfPair = tf.reshape(op('TensorScatterUpdate', [paddingSlots, tf.expandDims(pairOfSlot, 1), slots]), [K, N])
  const tokenOfSlot = tf.mod(pairOfSlot, tf.scalar(N, 'int32'))
  return { slotOfPair, pairOfSlot, tokenOfSlot, demand, load, limit: Math.min(capacity?.limit ?? N, N), drops }
}

const serviceOrder = (policy: DropPolicyName | DropPolicy): DropPolicy => (typeof policy === 'string' ? dropPolicies[policy] : policy)

/** Splits values into groups by group number, keeping their order. */
function partition(values: Tensor, groupOfValue: Tensor, groups: number): Tensor[] {
  if (groups === 1) return [values]
  return multiOp('DynamicPartition', [values, groupOfValue], groups, { num_partitions: groups })
}

/** The first `counts[i]` entries of list i. */
function firstOfEach(lists: readonly Tensor[], counts: Tensor): Tensor[] {
  const start = tf.tensor1d([0], 'int32')
  const sizes = tf.split(counts, lists.length)
  return lists.map((list, i) => op('Slice', [list, start, sizes[i] ?? start]))
}

/**
 * Tokens in slot order.
 * @param x float32 [N, C]
 * @returns float32 [S, C]
 */
export const dispatchRows = (x: Tensor, plan: DispatchPlan): Tensor => toSlots(x, plan)

/**
 * Expert outputs back in the order of pairs; a dropped pair gets zeros.
 * @param y float32 [S, C]
 * @returns float32 [K, N, C]
 */
export const collectRows = (y: Tensor, plan: DispatchPlan): Tensor => toPairs(y, plan)

/**
 * Gates after drops: those of dropped pairs 0, a token's others scaled so that they keep their sum; all 0 where all were dropped.
 * G'_k = G_k * (sum of all G) / (sum of the served G)
 * @param gates float32 [N, K]
 * @returns float32 [N, K]
 */
export function renormalizedGates(gates: Tensor, { slotOfPair, load }: DispatchPlan): Tensor {
  const served = tf.stopGradient(tf.transpose(tf.cast(tf.less(slotOfPair, tf.sum(load)), 'float32'))) // [N, K]
  const kept = tf.mul(gates, served)
  const sum = tf.sum(kept, 1, true) // [N, 1]
  const divisor = tf.add(sum, tf.cast(tf.equal(tf.stopGradient(sum), 0), 'float32'))
  return tf.mul(kept, tf.div(tf.sum(gates, 1, true), divisor))
}

/**
 * Each token's rows, weighted by its gates and added up.
 * @param served float32 [K, N, C]
 * @param gates float32 [N, K]
 * @returns float32 [N, C]
 */
export const combine = (served: Tensor, gates: Tensor): Tensor => weightedSum(served, gates)
