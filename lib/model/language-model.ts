/**
 * SparseMoELanguageModel: characters in, scores for the next character out. Token and position embeddings, nLayer blocks, a final
 * LayerNorm, a linear head.
 */
import type { ModelConfig } from '../config'
import { ShapeError } from '../errors'
import { Expert, type ExpertModule } from '../moe/expert'
import { NoisyTopkRouter, type RouterModule } from '../moe/router'
import { SparseMoE } from '../moe/sparse-moe'
import type { Context, RoutingRecord } from '../nn/context'
import { Embedding } from '../nn/embedding'
import { LayerNorm } from '../nn/layer-norm'
import { Linear } from '../nn/linear'
import { crossEntropy } from '../nn/loss'
import { Module } from '../nn/module'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import { MultiHeadAttention } from './attention'
import { Block } from './block'
import { kaimingInit, type ModelInit, scaledInit } from './initialisation'

/** A model's config, and the size of the vocabulary. */
export type LanguageModelConfig = ModelConfig & { readonly vocabSize: number }

/** The parts that can be swapped, each made by a function. */
export interface ModelComponents {
  /** Default: NoisyTopkRouter. */
  readonly router?: (config: LanguageModelConfig, stream: RandomStream, init: ModelInit) => RouterModule
  /** Default: Expert. */
  readonly expert?: (config: LanguageModelConfig, stream: RandomStream, init: ModelInit) => ExpertModule
  /** Default: by `config.initialisation`. */
  readonly init?: ModelInit
  /** A loss on the routing of all layers, added to the cross-entropy while training; a scalar. */
  readonly balance?: (records: readonly RoutingRecord[]) => Tensor
}

const defaultRouter: NonNullable<ModelComponents['router']> = (config, stream, init) =>
  new NoisyTopkRouter(config.nEmbed, config.numExperts, config.topK, stream, config.noiseMode, { init: init.router })

const defaultExpert: NonNullable<ModelComponents['expert']> = (config, stream, init) => new Expert(config.nEmbed, stream, init)

/** A decoder-only transformer with sparse mixtures of experts. */
export class SparseMoELanguageModel extends Module {
  readonly tokenEmbedding: Embedding
  readonly positionEmbedding: Embedding
  readonly blocks: readonly Block[]
  readonly lnFinal: LayerNorm
  readonly head: Linear
  protected override readonly stateNames = {
    tokenEmbedding: 'token_embedding_table',
    positionEmbedding: 'position_embedding_table',
    lnFinal: 'ln_f',
    head: 'lm_head',
  }
  private readonly balance: ModelComponents['balance']

  constructor(
    readonly config: LanguageModelConfig,
    stream: RandomStream,
    components: ModelComponents = {},
  ) {
    super()
    const { nEmbed, nHead, nLayer, blockSize, vocabSize, numExperts, dropout } = config
    const init = components.init ?? (config.initialisation === 'kaiming' ? kaimingInit : scaledInit)
    const { router = defaultRouter, expert = defaultExpert } = components
    this.balance = components.balance
    this.tokenEmbedding = new Embedding(vocabSize, nEmbed, stream, init.embedding)
    this.positionEmbedding = new Embedding(blockSize, nEmbed, stream, init.embedding)
    this.blocks = Array.from({ length: nLayer }, (_, layer) => {
      const attention = new MultiHeadAttention(nEmbed, nHead, blockSize, stream, {
        dropout,
        scale: config.attentionScale,
        init: init.attention,
        projInit: init.residual,
      })
      const experts = Array.from({ length: numExperts }, () => expert(config, stream, init))
      const { capacityFactor, capacityRule } = config
      const moe = new SparseMoE(router(config, stream, init), experts, { layer, dropout, capacityFactor, capacityRule })
      return new Block(nEmbed, attention, moe)
    })
    this.lnFinal = new LayerNorm(nEmbed)
    this.head = new Linear(nEmbed, vocabSize, stream, { init: init.head })
  }

  /**
   * Scores for the next character at every place.
   * @param ids int32 [B, T], T at most blockSize
   * @returns logits float32 [B, T, V]
   * @throws ShapeError
   */
  forward(ids: Tensor, ctx: Context): Tensor {
    const [, T = 0] = ids.shape
    if (ids.rank !== 2 || T > this.config.blockSize || T < 1)
      throw new ShapeError(`model: got characters of shape [${ids.shape.join(', ')}], expected [B, 1 to ${this.config.blockSize}]`)
    const positions = this.positionEmbedding.forward(tf.range(0, T, 1, 'int32')) // [T, C]
    let x = tf.add(this.tokenEmbedding.forward(ids), positions) // [B, T, C]
    for (const block of this.blocks) x = block.forward(x, ctx)
    return this.head.forward(this.lnFinal.forward(x)) // [B, T, V]
  }

  /**
   * The mean cross-entropy in nats; while training, plus the balancing loss if there is one.
   * @param x int32 [B, T]
   * @param y int32 [B, T], the next characters
   * @returns a scalar
   */
  loss(x: Tensor, y: Tensor, ctx: Context): Tensor {
    if (!this.balance || !ctx.training) return crossEntropy(this.forward(x, ctx), y)
    const records: RoutingRecord[] = []
    const observer = (record: RoutingRecord): void => {
      records.push(record)
      ctx.observer?.(record)
    }
    const loss = crossEntropy(this.forward(x, { ...ctx, observer }), y)
    return tf.add(loss, this.balance(records))
  }

  /** How many parameters one token meets: all but the experts that it is not sent to. */
  activeParameterCount(): number {
    const { numExperts, topK } = this.config
    const idle = this.blocks.reduce((sum, block) => {
      const experts = block.moe.experts.reduce((total, expert) => total + expert.parameterCount(), 0)
      return sum + (experts * (numExperts - topK)) / numExperts
    }, 0)
    return this.parameterCount() - idle
  }
}
