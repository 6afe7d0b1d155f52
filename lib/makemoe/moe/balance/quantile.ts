/**
 * Quantile balancing: biases as in bias.ts, but solved for instead of moved by a step. To send each of N tokens to K of E experts so that
 * the scores' sum is largest and each expert serves N K / E of them is a linear program; its dual has a number alpha_i for each token and a
 * bias b_e for each expert, and expert e serves token i where s_ie + b_e > alpha_i. With the biases given, alpha_i is the (K+1)-th largest
 * of s_i + b, so that K experts are above it; with the alphas given, b_e is the K / E quantile of alpha_i - s_ie, so that N K / E tokens are
 * below it. One such turn a training step, on the step's own tokens; the next step chooses by it. There is no weight to set.
 */

import { ConfigError } from '../../../base/errors'
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf, type Variable } from '../../../engine/tensor/tf'
import { Module } from '../../nn/module'
import { buffer } from '../../nn/parameter'
import type { BalancingState } from '../contracts'
import type { RoutingRecord } from '../routing-record'

/**
 * One turn: $\alpha_i$ the (K+1)-th largest of $s_i + b$; $b'_e$ the (m+1)-th smallest of $\alpha_i - s_{ie}$ over the tokens, with
 * $m = \lfloor N K / E \rfloor$; then $b' - \mathrm{mean}(b')$. Where turns on the same
 * tokens come to rest, each expert is chosen by m of them, give or take those that stand on a quantile, where two experts' scores tie.
 * @param scores what the router compares, float32 [N, E]
 * @param bias the present biases, float32 [E]
 * @param topK K, less than E
 * @returns float32 [E], centered
 */
export function quantileBiases(scores: Tensor, bias: Tensor, topK: number): Tensor {
  const [N, E] = matrixShape(scores, 'quantile balancing: scores')
  const served = Math.floor((N * topK) / E) // less than N, since K < E
  const alpha = tf.slice(tf.topk(tf.add(scores, bias), topK + 1).values, [0, topK], [-1, 1]) // [N, 1]
  const margins = tf.transpose(tf.sub(scores, alpha)) // [E, N]
  const largest = tf.topk(margins, served + 1).values // [E, m + 1]
  const next = tf.neg(tf.reshape(tf.slice(largest, [0, served], [-1, 1]), [E])) // the smallest of the negative are the largest
  return tf.sub(next, tf.mean(next))
}

/** The biases of one layer's experts. */
export class QuantileBias extends Module implements BalancingState {
  /** [E], in the units of what the router compares; starts at 0. */
  readonly bias: Variable

  /** @throws ConfigError if every token has all experts, so that there is nothing to choose */
  constructor(
    numExperts: number,
    private readonly topK: number,
  ) {
    super()
    if (topK >= numExperts)
      throw new ConfigError(`balance: got quantile with topK ${topK} of ${numExperts} experts, expected fewer choices than experts`)
    this.bias = buffer(tf.zeros([numExperts]))
  }

  /** @throws ConfigError if the router does not say which scores it compares */
  update({ compared }: RoutingRecord): void {
    if (!compared)
      throw new ConfigError(
        'balance: got quantile with a router that compares no scores, expected a routing with `compared`, float32 [N, E]',
      )
    tf.tidy(() => this.bias.assign(quantileBiases(tf.stopGradient(compared), this.bias, this.topK)))
  }
}

export const quantileBias = ({ numExperts, topK }: { readonly numExperts: number; readonly topK: number }): QuantileBias =>
  new QuantileBias(numExperts, topK)
