/** The top-k router: a linear map, and a softmax over the k largest logits. */

import type { Tensor } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import type { Make, RouterModule, Routing } from '../contracts'
import { LinearRouter } from './linear-router'
import { type TopKGates, topKGating } from './top-k-gating'

/** A linear router without noise, $G(x) = \mathrm{softmax}(\mathrm{keepTopK}(x W + b, k))$ (Shazeer et al. 2017, section 2.1). */
export class TopkRouter extends LinearRouter implements RouterModule {
  /** G(x) = softmax(keepTopK(x W + b, k)) */
  forward(x: Tensor, _ctx?: Context, bias?: Tensor): Routing & TopKGates {
    const logits = this.scores.forward(x) // [N, E]
    return { ...topKGating(logits, this.topK, bias), logits }
  }
}

export const topkRouter: Make<TopkRouter> = ({ nEmbed, numExperts, topK }, stream, init) =>
  new TopkRouter(nEmbed, numExperts, topK, stream, { init: init.router })
