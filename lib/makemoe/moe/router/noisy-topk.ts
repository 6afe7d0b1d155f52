/**
 * The noisy top-k router (Shazeer et al. 2017, section 2.1, eq. 4), the original's: H(x) = x W + b + N(0, 1) * softplus(x W_noise + b_noise).
 * The learned noise spreads the load.
 */

import type { RandomStream } from '../../../engine/tensor/streams'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import { Linear, type LinearOptions } from '../../nn/linear'
import type { Make, MixtureConfig, RouterModule, Routing } from '../contracts'
import { LinearRouter } from './linear-router'
import { type TopKGates, topKGating } from './top-k-gating'

/** When a noisy router is noisy. */
export type NoiseMode = MixtureConfig['noiseMode']

/**
 * A linear router with learned noise: top-k gating of $H(x) = x W + b + \epsilon \, \mathrm{softplus}(x W_n + b_n)$ with
 * $\epsilon \sim N(0, 1)$ (Shazeer et al. 2017, section 2.1, eq. 4).
 */
export class NoisyTopkRouter extends LinearRouter implements RouterModule {
  readonly noise: Linear
  protected override readonly stateNames = { scores: 'topkroute_linear', noise: 'noise_linear' }

  /** @param noiseMode the original's noise is on in evaluation too (`always`) */
  constructor(
    nEmbed: number,
    numExperts: number,
    topK: number,
    stream: RandomStream,
    readonly noiseMode: NoiseMode = 'training',
    options: LinearOptions = {},
  ) {
    super(nEmbed, numExperts, topK, stream, options)
    this.noise = new Linear(nEmbed, numExperts, stream, options)
  }

  get drawsInEvaluation(): boolean {
    return this.noiseMode === 'always'
  }

  /** G(x) = softmax(keepTopK(H(x), k)) */
  forward(x: Tensor, ctx: Context, bias?: Tensor): Routing & TopKGates {
    const logits = this.scores.forward(x) // [N, E]
    if (!ctx.training && this.noiseMode === 'training') return { ...topKGating(logits, this.topK, bias), logits }
    const scale = this.noise.forward(x) // [N, E]
    const noisy = noisyLogits(logits, scale, ctx.streams.noise.normal(logits.shape))
    return { ...topKGating(noisy, this.topK, bias), logits, noise: { noisy, deviation: () => tf.softplus(scale) } }
  }
}

/**
 * H(x) = logits + draw * softplus(scale) (Shazeer et al. 2017, eq. 4).
 * @param draw standard normal numbers of the logits' shape [N, E]
 */
export function noisyLogits(logits: Tensor, scale: Tensor, draw: Tensor): Tensor {
  return tf.add(logits, tf.mul(draw, tf.softplus(scale)))
}

export const noisyTopkRouter: Make<NoisyTopkRouter> = ({ nEmbed, numExperts, topK, noiseMode }, stream, init) =>
  new NoisyTopkRouter(nEmbed, numExperts, topK, stream, noiseMode, { init: init.router })
