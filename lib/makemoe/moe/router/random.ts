/**
 * Routing at random: the baseline of every router. K different experts for each token, drawn anew in each pass, in evaluation too, from the
 * stream of routing noise; equal gates. Nothing is learned.
 */

import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import { Module } from '../../nn/module'
import type { Make, RouterModule, Routing } from '../contracts'
import { checkTopK, chooseTopK } from './top-k-gating'

/** A router that draws. */
export class RandomRouter extends Module implements RouterModule {
  readonly drawsInEvaluation = true

  /** @throws ConfigError if topK is not from 1 to numExperts */
  constructor(
    readonly numExperts: number,
    readonly topK: number,
  ) {
    super()
    checkTopK(numExperts, topK)
  }

  /** The K largest of E uniform numbers; G(x) = 1 / K */
  forward(x: Tensor, ctx: Context, bias?: Tensor): Routing {
    const [N] = matrixShape(x, 'random router: tokens')
    const drawn = ctx.streams.noise.uniform([N, this.numExperts])
    const { experts } = chooseTopK(drawn, this.topK, bias)
    return { experts, gates: tf.fill([N, this.topK], 1 / this.topK), logits: tf.zeros([N, this.numExperts]), compared: drawn }
  }
}

export const randomRouter: Make<RandomRouter> = ({ numExperts, topK }) => new RandomRouter(numExperts, topK)
