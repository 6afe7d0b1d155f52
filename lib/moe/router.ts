/**
 * Routers: which experts serve a token, and with what weight.
 *
 * Top-k gating (Shazeer et al. 2017, section 2.1): G(x) = softmax(keepTopK(H(x), k)), where everything outside the top k is -inf, so that
 * the gates of the others are exactly 0. The noisy router adds N(0, 1) * softplus(x W_noise) to the logits (their eq. 4), which spreads
 * the load; their H is the noisy one.
 */
import { ConfigError } from '../errors'
import type { Context } from '../nn/context'
import { Linear, type LinearOptions } from '../nn/linear'
import { Module } from '../nn/module'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'

/** A router's decision. N tokens, E experts, K choices. */
export interface Routing {
  /** float32 [N, E]: K positive entries a row that sum to 1, exactly 0 elsewhere. */
  readonly gates: Tensor
  /** int32 [N, K]: the chosen experts, best first. */
  readonly indices: Tensor
  /** float32 [N, E]: the scores before noise. */
  readonly logits: Tensor
  /** float32 [N, K]: the gates of the chosen experts, in the order of `indices`. */
  readonly weights: Tensor
}

/** What SparseMoE needs of a router. */
export interface RouterModule extends Module {
  /** @param x [N, C] */
  forward(x: Tensor, ctx: Context): Routing
}

/**
 * Top-k gating of given scores: softmax over the k largest of each row, 0 elsewhere. The gradient reaches the kept scores alone.
 * @param scores float32 [N, E]
 */
export function topKGating(scores: Tensor, topK: number): Pick<Routing, 'gates' | 'indices' | 'weights'> {
  const numExperts = scores.shape[1] as number
  const { values, indices } = tf.topk(scores, topK)
  const weights = tf.softmax(values)
  // Softmax over the kept scores equals softmax over all with the others at -inf.
  const gates = tf.sum(tf.mul(tf.oneHot(indices as never, numExperts, 1, 0, 'float32'), tf.expandDims(weights, -1)), 1)
  return { gates, indices, weights }
}

function checkTopK(numExperts: number, topK: number): void {
  if (!Number.isInteger(topK) || topK < 1 || topK > numExperts)
    throw new ConfigError(`topK: got ${topK}, expected an integer from 1 to numExperts (${numExperts})`)
}

/** A linear router without noise. */
export class TopkRouter extends Module implements RouterModule {
  readonly scores: Linear
  protected override readonly stateNames = { scores: 'topkroute_linear' }

  constructor(
    nEmbed: number,
    numExperts: number,
    readonly topK: number,
    stream: RandomStream,
    options: LinearOptions = {},
  ) {
    super()
    checkTopK(numExperts, topK)
    this.scores = new Linear(nEmbed, numExperts, stream, options)
  }

  forward(x: Tensor): Routing {
    const logits = this.scores.forward(x)
    return { ...topKGating(logits, this.topK), logits }
  }
}

/** When a noisy router is noisy. */
export type NoiseMode = 'training' | 'always'

/** A linear router with learned noise. */
export class NoisyTopkRouter extends Module implements RouterModule {
  readonly scores: Linear
  readonly noise: Linear
  protected override readonly stateNames = { scores: 'topkroute_linear', noise: 'noise_linear' }

  /** @param noiseMode the original's noise is on in evaluation too (`always`) */
  constructor(
    nEmbed: number,
    numExperts: number,
    readonly topK: number,
    stream: RandomStream,
    readonly noiseMode: NoiseMode = 'training',
    options: LinearOptions = {},
  ) {
    super()
    checkTopK(numExperts, topK)
    this.scores = new Linear(nEmbed, numExperts, stream, options)
    this.noise = new Linear(nEmbed, numExperts, stream, options)
  }

  forward(x: Tensor, ctx: Context): Routing {
    const logits = this.scores.forward(x)
    if (!ctx.training && this.noiseMode === 'training') return { ...topKGating(logits, this.topK), logits }
    const draw = ctx.streams.noise.normal(logits.shape)
    return { ...topKGating(noisyScores(logits, this.noise.forward(x), draw), this.topK), logits }
  }
}

/**
 * H(x) = logits + draw * softplus(scale) (Shazeer et al. 2017, eq. 4).
 * @param draw standard normal numbers of the logits' shape [N, E]
 */
export function noisyScores(logits: Tensor, scale: Tensor, draw: Tensor): Tensor {
  return tf.add(logits, tf.mul(draw, tf.softplus(scale)))
}
