/**
 * Top-k gating (Shazeer et al. 2017, section 2.1): G(x) = softmax(keepTopK(H(x), k)), where everything outside the top k is -inf, so that
 * the gates of the others are exactly 0.
 */
import { ConfigError } from '../../../base/errors'
import { lastSize } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'

/** The chosen experts and their gates. N tokens, E experts, K choices. */
export interface TopKGates {
  /** int32 [N, K], best first. */
  readonly experts: Tensor
  /** float32 [N, K], in the order of `experts`. */
  readonly gates: Tensor
  /** float32 [N, E]: the same gates, exactly 0 for the experts that were not chosen. */
  readonly allGates: Tensor
  /** float32 [N, E]: the logits that were compared, before the bias. */
  readonly compared: Tensor
}

/**
 * Softmax over the k largest logits of each row, 0 elsewhere: $g_e = e^{z_e} / \sum_{j \in top_k(z)} e^{z_j}$. The gradient reaches the kept logits alone
 * (Shazeer et al. 2017, section 2.1, eq. 3 and 5).
 * @param logits float32 [N, E]
 * @param topK K
 * @param bias float32 [E], added to what decides the choice, not to the gates
 * @returns experts int32 [N, K], best first; gates float32 [N, K], and [N, E]
 */
export function topKGating(logits: Tensor, topK: number, bias?: Tensor): TopKGates {
  const { values, experts } = chooseTopK(logits, topK, bias)
  const gates = softmaxOfChosen(values) // equals softmax over all with the others at -inf
  return { experts, gates, allGates: scatterGates(experts, gates, lastSize(logits)), compared: logits }
}

/**
 * Softmax over the last axis, [N, K]. TensorFlow's softmax of a single logit is 1 or 1 - 6e-8, which would decide between tokens where an
 * expert is full: here it is 1.
 */
export function softmaxOfChosen(values: Tensor): Tensor {
  return lastSize(values) === 1 ? tf.add(tf.mul(values, 0), 1) : tf.softmax(values)
}

/** Of each row the values at its chosen experts: [N, E], [N, K] -> [N, K]. */
export function chosenOf(values: Tensor, experts: Tensor): Tensor {
  const chosen = tf.oneHot(experts, lastSize(values), 1, 0, 'float32') // [N, K, E]
  return tf.sum(tf.mul(chosen, tf.expandDims(values, 1)), -1)
}

/**
 * The k largest of each row, best first: both [N, K].
 * @param bias float32 [E]: the largest of scores + bias are chosen, `values` are the scores alone
 */
export function chooseTopK(scores: Tensor, topK: number, bias?: Tensor): { values: Tensor; experts: Tensor } {
  if (!bias) {
    const { values, indices: experts } = tf.topk(scores, topK)
    return { values, experts }
  }
  const { indices: experts } = tf.topk(tf.add(tf.stopGradient(scores), tf.stopGradient(bias)), topK)
  return { values: chosenOf(scores, experts), experts }
}

/** The gates of all experts, 0 for those that were not chosen: [N, K] -> [N, E]. */
export function scatterGates(experts: Tensor, gates: Tensor, numExperts: number): Tensor {
  return tf.sum(tf.mul(tf.oneHot(experts, numExperts, 1, 0, 'float32'), tf.expandDims(gates, -1)), 1)
}

/** @throws ConfigError if topK is not from 1 to numExperts */
export function checkTopK(numExperts: number, topK: number): void {
  if (!Number.isInteger(topK) || topK < 1 || topK > numExperts)
    throw new ConfigError(`topK: got ${topK}, expected an integer from 1 to numExperts (${numExperts})`)
}
