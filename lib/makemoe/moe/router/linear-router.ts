/** What the linear routers share: a logit for each expert from one linear map, and how many experts they choose. */

import type { RandomStream } from '../../../engine/tensor/streams'
import { Linear, type LinearOptions } from '../../nn/linear'
import { Module } from '../../nn/module'
import { checkTopK } from './top-k-gating'

/** The linear map of a router; its forward says what becomes of the logits. */
export abstract class LinearRouter extends Module {
  readonly scores: Linear
  protected override readonly stateNames: Readonly<Record<string, string>> = { scores: 'topkroute_linear' }

  /** @throws ConfigError if topK is not from 1 to numExperts */
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
}
