/**
 * Block: communication (attention), then computation (a sparse mixture of experts), each on a normalized copy of the residual stream
 * (pre-norm; Xiong et al. 2020, section 3).
 */

import { type Tensor, tf } from '../../engine/tensor/tf'
import { InHalves } from '../nn/halves'
import { Module } from '../nn/module'
import { type MakeNorm, type NormModule, norms } from '../nn/norms'
import type { ModelContext } from './context'

/** What a block needs of its attention: [B, T, C] -> [B, T, C]; no position may look at a later one. */
export interface AttentionModule extends Module {
  forward(x: Tensor, ctx: ModelContext): Tensor
}

/** What a block needs of its mixture, or of whatever stands in its place: [B, T, C] -> [B, T, C]. */
export interface MixtureModule extends Module {
  forward(x: Tensor, ctx: ModelContext): Tensor
  /** Whether the output for one sequence is the same whatever the others of the batch are; unknown counts as no. */
  rowsAreIndependent?(training: boolean): boolean
  /** Whether evaluating a token twice gives the same output twice; unknown counts as no. */
  isDeterministic?(): boolean
  /** Whether the output for a token depends on later ones, in evaluation too; default: no. */
  looksAhead?(): boolean
  /** How many parameters a token meets; default: all. */
  activeParameterCount?(topK: number): number
}

/**
 * One layer of the model: $a = x + \mathrm{Attention}(\mathrm{Norm}_1(x))$, $y = a + \mathrm{MoE}(\mathrm{Norm}_2(a))$;
 * [B, T, C] -> [B, T, C].
 */
export class Block<Attention extends AttentionModule = AttentionModule, Mixture extends MixtureModule = MixtureModule> extends Module {
  readonly attention: Attention
  readonly moe: Mixture
  readonly ln1: InHalves<NormModule>
  readonly ln2: NormModule
  protected override readonly stateNames = { attention: 'sa', moe: 'smoe' }

  constructor(nEmbed: number, attention: Attention, moe: Mixture, makeNorm: MakeNorm = norms.layer) {
    super()
    this.attention = attention
    this.moe = moe
    this.ln1 = new InHalves(makeNorm(nEmbed)) // for speed, as the model's attention
    this.ln2 = makeNorm(nEmbed)
  }

  /** [B, T, C] -> [B, T, C] */
  forward(x: Tensor, ctx: ModelContext): Tensor {
    const attended = tf.add(x, this.attention.forward(this.ln1.forward(x), ctx))
    return tf.add(attended, this.moe.forward(this.ln2.forward(attended), ctx))
  }
}

/** How many parameters of the layers' mixtures a token does not meet. A mixture that stands in two layers sends it out twice. */
export function idleParameterCount(blocks: readonly Block[], topK: number): number {
  const mixtures = blocks.map(({ moe }) => moe)
  return [...new Set(mixtures)].reduce((sum, moe) => {
    const times = mixtures.filter((other) => other === moe).length
    const all = moe.parameterCount()
    return sum + all - (moe.activeParameterCount?.(topK * times) ?? all)
  }, 0)
}
