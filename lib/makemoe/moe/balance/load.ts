/**
 * The load loss (Shazeer et al. 2017, appendix A, eq. 8 to 11): L = CV(Load)^2 with a load that has a gradient. Load_e is the sum over the
 * tokens of P(x, e), the probability that e is among the K chosen if only its own noise is drawn anew:
 * P(x, e) = Phi((logit_e - threshold_e) / deviation_e), where the threshold is the K-th largest of the other experts' noisy logits: the
 * (K+1)-th largest of all if e was chosen, else the K-th. It needs a noisy router, and fewer choices than experts.
 */
import { ConfigError } from '../../../base/errors'
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'
import { squaredVariation } from './importance'

/** The standard normal distribution function. */
const phi = (x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5)

/** The expected load of each expert: float32 [E]. */
export const smoothLoad = ({ noise, logits, experts }: Parameters<BalancingLoss>[0]): Tensor => {
  const [, E] = matrixShape(logits, 'load loss: logits')
  const [, K] = matrixShape(experts, 'load loss: experts')
  if (!noise) throw new ConfigError('balance: got load with a router that draws no noise, expected the noisy-topk router')
  if (K >= E) throw new ConfigError(`balance: got load with topK ${K} of ${E} experts, expected fewer choices than experts`)
  const { values } = tf.topk(noise.noisy, K + 1) // [N, K + 1]
  const chosen = tf.sum(tf.oneHot(experts, E, 1, 0, 'float32'), 1) // [N, E]
  const ifDropped = tf.slice(values, [0, K - 1], [-1, 1]) // [N, 1]
  const ifChosen = tf.slice(values, [0, K], [-1, 1]) // [N, 1]
  const threshold = tf.add(tf.mul(chosen, ifChosen), tf.mul(tf.sub(1, chosen), ifDropped)) // [N, E]
  return tf.sum(phi(tf.div(tf.sub(logits, threshold), noise.deviation())), 0)
}

export const loadLoss: BalancingLoss = (routing) => squaredVariation(smoothLoad(routing))
