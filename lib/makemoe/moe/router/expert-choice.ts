/**
 * Expert choice (Zhou et al. 2022, 2202.09368, section 3.2): not tokens choose experts, but each expert the N K / E tokens that prefer it
 * most. The load is even by construction, and a token has anything from no expert to all of them, K on average. The choice is among all
 * tokens of the batch, later ones of the same sequence included: such a model looks ahead, and cannot write text.
 */

import { op } from '../../../engine/tensor/op'
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'
import { expertCapacity } from '../capacity'
import type { Make, RouterModule, RouterTraits, Routing } from '../contracts'
import { LinearRouter } from './linear-router'

/** A linear router whose experts choose. */
export class ExpertChoiceRouter extends LinearRouter implements RouterModule {
  readonly looksAcrossTokens = true

  /** S = softmax(x W + b) over the experts; G(x)_e = S_e if x is among the N K / E largest of expert e, else 0 */
  forward(x: Tensor, _ctx?: Context): Routing {
    const logits = this.scores.forward(x)
    const [N, E] = matrixShape(logits, 'expert choice: logits')
    const affinity = tf.softmax(logits) // [N, E]
    const served = expertCapacity(N, this.topK, E, 1)
    const { indices: tokens } = tf.topk(tf.transpose(tf.stopGradient(affinity)), served) // [E, served]
    const places = tf.add(tokens, tf.mul(tf.range(0, E, 1, 'int32'), tf.scalar(N, 'int32')).expandDims(1)) // in [E, N]
    const ones = tf.ones([E * served])
    const chosen = tf.transpose(
      tf.reshape(op('TensorScatterUpdate', [tf.zeros([E * N]), tf.reshape(places, [E * served, 1]), ones]), [E, N]),
    ) // [N, E], 1 or 0
    // Each token's experts, best first; -1 marks those that did not choose it.
    const { values, indices } = tf.topk(tf.add(tf.mul(affinity, chosen), tf.sub(chosen, 1)), E)
    const unused = tf.fill([N, E], E, 'int32')
    const experts = tf.stopGradient(tf.where(tf.less(tf.stopGradient(values), 0), unused, indices))
    return { experts, gates: tf.relu(values), logits, partial: true }
  }
}

const make: Make<ExpertChoiceRouter> = ({ nEmbed, numExperts, topK }, stream, init) =>
  new ExpertChoiceRouter(nEmbed, numExperts, topK, stream, { init: init.router })

export const expertChoiceRouter = Object.assign(make, { looksAcrossTokens: true, comparesScores: false } satisfies RouterTraits)
