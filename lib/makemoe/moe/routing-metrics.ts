/**
 * What a layer's router did in one pass, in a few numbers. They are tensors, so that a compiled pass computes them inside its graph.
 * N tokens, K choices, E experts.
 */

import { matrixShape } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'
import { zLoss } from './balance/z'
import type { RoutingRecord } from './routing-record'

/** Entropy in nats along the last axis; 0 log 0 counts as 0. */
export const entropy = (shares: Tensor): Tensor => tf.neg(tf.sum(tf.mul(shares, tf.log(tf.add(shares, 1e-20))), -1))

/**
 * The metrics of a layer, by name:
 * - `load` [E]: pairs that each expert served; where an expert can be full also `demand` [E], pairs that asked for it, `dropped`, and
 *   `drop_share`, the share of all pairs that was dropped
 * - `entropy`: of a token's gates, mean over the tokens, in nats; from 0 to ln K
 * - `importance` [E]: each expert's gates, summed over the tokens (Shazeer et al. 2017, eq. 6)
 * - `mean_gate_entropy`: of the mean gates, in nats; ln E if the importance is even
 * - `margin`: how far the choice is from tipping over: the K-th largest probability minus the next, mean over the tokens; absent if K = E
 * - `max_vio`: largest demand / mean demand - 1 (Wang et al. 2024, 2408.15664, section 4.1); 0 if even
 * - `dead`: experts that no token of the batch asked for
 * - `z`: mean squared log-sum-exp of the logits, how large they are (ST-MoE, 2202.08906, eq. 5)
 */
export function routingMetrics(record: RoutingRecord): Record<string, Tensor> {
  const { experts, logits, demand, load, drops } = record
  const [, K] = matrixShape(experts, 'routing: experts')
  const [, E] = matrixShape(logits, 'routing: logits')
  const importance = tf.sum(record.allGates, 0) // [E]
  const asked = tf.cast(demand, 'float32')
  return {
    load,
    ...(drops ? { demand, ...dropped(record) } : {}),
    entropy: record.entropy,
    importance,
    mean_gate_entropy: entropy(tf.div(importance, tf.sum(importance))),
    ...(K < E ? { margin: margin(record.probabilities, K) } : {}),
    max_vio: tf.sub(tf.div(tf.max(asked), tf.mean(asked)), 1),
    dead: tf.sum(tf.cast(tf.equal(demand, 0), 'int32')),
    z: zLoss(record),
  }
}

function dropped({ dropped, experts }: RoutingRecord): Record<string, Tensor> {
  return { dropped, drop_share: tf.div(tf.cast(dropped, 'float32'), experts.size) }
}

function margin(probabilities: Tensor, K: number): Tensor {
  const { values } = tf.topk(probabilities, K + 1) // [N, K + 1]
  return tf.mean(tf.sub(tf.slice(values, [0, K - 1], [-1, 1]), tf.slice(values, [0, K], [-1, 1])))
}
