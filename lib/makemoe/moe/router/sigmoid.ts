/**
 * The sigmoid router (DeepSeek-V3, 2412.19437, section 2.1.2, eq. 13 to 15): each expert's score is a sigmoid of its own logit, so that
 * experts do not compete before the choice; the gates are the chosen scores, normalized to sum to 1.
 */

import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import type { Make, RouterModule, Routing } from '../contracts'
import { LinearRouter } from './linear-router'
import { chooseTopK, chosenOf, softmaxOfChosen } from './top-k-gating'

/** s / sum of s as softmax(log s) with log sigmoid(z) = -softplus(-z): the sum is 1 also where every s underflows. */
const normalizedSigmoids = (logits: Tensor): Tensor => softmaxOfChosen(tf.neg(tf.softplus(tf.neg(logits))))

/** A linear router with normalized sigmoid gates: $s = \sigma(x W + b)$, $G(x)_e = s_e / \sum_{chosen} s$ (DeepSeek-V3, 2412.19437, section 2.1.2). */
export class SigmoidRouter extends LinearRouter implements RouterModule {
  /** s = sigmoid(x W + b); G(x)_e = s_e / (sum of the k chosen s) */
  forward(x: Tensor, _ctx?: Context, bias?: Tensor): Routing {
    const logits = this.scores.forward(x) // [N, E]
    const compared = tf.sigmoid(logits)
    const { experts } = chooseTopK(compared, this.topK, bias)
    const gates = normalizedSigmoids(chosenOf(logits, experts))
    return { experts, gates, logits, compared, probabilities: () => normalizedSigmoids(logits) }
  }
}

export const sigmoidRouter: Make<SigmoidRouter> = ({ nEmbed, numExperts, topK }, stream, init) =>
  new SigmoidRouter(nEmbed, numExperts, topK, stream, { init: init.router })
