/**
 * Block: communication (attention), then computation (a sparse mixture of experts), each on a normalised copy of the residual stream
 * (pre-norm; Xiong et al. 2020, section 3).
 */
import type { SparseMoE } from '../moe/sparse-moe'
import type { Context } from '../nn/context'
import { inHalves } from '../nn/halves'
import { LayerNorm } from '../nn/layer-norm'
import { Module } from '../nn/module'
import { type Tensor, tf } from '../tensor/tf'
import type { MultiHeadAttention } from './attention'

/** One layer of the model. */
export class Block extends Module {
  readonly attention: MultiHeadAttention
  readonly moe: SparseMoE
  readonly ln1: LayerNorm
  readonly ln2: LayerNorm
  protected override readonly stateNames = { attention: 'sa', moe: 'smoe' }

  constructor(nEmbed: number, attention: MultiHeadAttention, moe: SparseMoE) {
    super()
    this.attention = attention
    this.moe = moe
    this.ln1 = new LayerNorm(nEmbed)
    this.ln2 = new LayerNorm(nEmbed)
  }

  /** [B, T, C] -> [B, T, C] */
  forward(x: Tensor, ctx: Context): Tensor {
    const attended = inHalves(x, ctx, (x, ctx) => tf.add(x, this.attention.forward(this.ln1.forward(x), ctx)))
    return tf.add(attended, this.moe.forward(this.ln2.forward(attended), ctx))
  }
}
