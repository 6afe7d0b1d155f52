/**
 * The Switch Transformer's router (Fedus et al. 2021, section 2.1): one expert for each token, and its gate is its probability among all
 * experts, so that the router learns from the loss though nothing else was chosen beside it. Gates do not sum to 1.
 */
import { ConfigError } from '../../../base/errors'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import type { Make, RouterModule, Routing } from '../contracts'
import { LinearRouter } from './linear-router'
import { chooseTopK } from './top-k-gating'

/** A linear router that chooses one expert. */
export class SwitchRouter extends LinearRouter implements RouterModule {
  /** p = softmax(x W + b), e = argmax p; G(x) = p_e */
  forward(x: Tensor, _ctx?: Context, bias?: Tensor): Routing {
    const logits = this.scores.forward(x) // [N, E]
    const compared = tf.softmax(logits)
    const { values, experts } = chooseTopK(compared, 1, bias)
    return { experts, gates: values, logits, compared }
  }
}

export const switchRouter: Make<SwitchRouter> = ({ nEmbed, numExperts, topK }, stream, init) => {
  if (topK !== 1) throw new ConfigError(`router: got switch with topK ${topK}, expected topK 1: it sends each token to one expert`)
  return new SwitchRouter(nEmbed, numExperts, topK, stream, { init: init.router })
}
