/** SparseMoELanguageModel: token ids in, logits for the next token out. Embeddings, nLayer blocks, a last normalization, a linear head. */
import { ShapeError } from '../../base/errors'
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import { checkModelFields } from '../config'
import { routerOf } from '../moe/router/by-layer'
import { inLayer } from '../nn/context'
import { Embedding } from '../nn/embedding'
import { explainErrors } from '../nn/error-path'
import { transposed } from '../nn/initializers'
import { Linear } from '../nn/linear'
import { crossEntropy } from '../nn/loss'
import { Module } from '../nn/module'
import { earlierIn, NgramEmbedding } from '../nn/ngram-embedding'
import { type NormModule, norms } from '../nn/norms'
import { Block, idleParameterCount } from './block'
import type { ModelContext } from './context'
import { KeyValueCache } from './key-value-cache'
import { type LanguageModelConfig, type ModelParts, makersOf } from './model-parts'
import { TiedHead } from './tied-head'

/** A decoder-only transformer with sparse mixtures of experts: token ids int32 [B, T] -> logits float32 [B, T, V]. */
export class SparseMoELanguageModel extends Module {
  readonly tokenEmbedding: Embedding
  /** Absent where attention knows the positions itself (rope). */
  readonly positionEmbedding?: Embedding
  readonly ngramEmbedding?: NgramEmbedding
  readonly blocks: readonly Block[]
  readonly lnFinal: NormModule
  readonly head: Linear | TiedHead
  protected override readonly stateNames = {
    tokenEmbedding: 'token_embedding_table',
    positionEmbedding: 'position_embedding_table',
    ngramEmbedding: 'ngram_embedding_table',
    lnFinal: 'ln_f',
    head: 'lm_head',
  }

  /** @throws ConfigError if there is a part of an unknown name, a field that cannot be, or sizes that do not fit */
  constructor(
    readonly config: LanguageModelConfig,
    stream: RandomStream,
    private readonly parts: ModelParts = {},
  ) {
    super()
    checkModelFields(config)
    const { nEmbed, nLayer, blockSize, vocabSize, positions = 'learned', norm = 'layer', embeddings = 'separate', ngram = 1 } = config
    const isTied = embeddings === 'tied'
    const { makeAttention, makeMixture, init } = makersOf(config, parts)
    const embedding = isTied ? transposed(init.head) : init.embedding // what is also the head starts as small as one
    this.tokenEmbedding = new Embedding(vocabSize, nEmbed, stream, embedding)
    if (positions === 'learned') this.positionEmbedding = new Embedding(blockSize, nEmbed, stream, embedding)
    this.blocks = Array.from({ length: nLayer }, (_, layer) => {
      const own = { ...config, router: routerOf(config, layer) }
      return new Block(nEmbed, makeAttention(own, stream, init), makeMixture(own, stream, init), norms[norm])
    })
    this.lnFinal = norms[norm](nEmbed)
    this.head = isTied ? new TiedHead(this.tokenEmbedding.weight) : new Linear(nEmbed, vocabSize, stream, { init: init.head })
    if (ngram > 1) this.ngramEmbedding = new NgramEmbedding(ngram, vocabSize, nEmbed, stream) // last, so that all else starts as without it
  }

  /**
   * Logits for the next token at every position.
   * @param ids int32 [B, T], T at most blockSize; [B, 1] with a cache, which says at which position
   * @returns logits float32 [B, T, V]
   * @throws ShapeError
   */
  forward(ids: Tensor, ctx: ModelContext): Tensor {
    const [, T = 0] = ids.shape
    if (ids.rank !== 2 || T > this.config.blockSize || T < 1)
      throw new ShapeError(`model: got token ids of shape [${ids.shape.join(', ')}], expected [B, 1 to ${this.config.blockSize}]`)
    return explainErrors(this, () => {
      const { cache } = ctx
      let x = this.tokenEmbedding.forward(ids) // [B, T, C]
      if (this.positionEmbedding)
        x = tf.add(x, this.positionEmbedding.forward(cache ? tf.expandDims(cache.position, 1) : tf.range(0, T, 1, 'int32')))
      if (this.ngramEmbedding) x = tf.add(x, this.ngramEmbedding.forward(cache?.remember(ids) ?? earlierIn(ids)))
      for (const [layer, block] of this.blocks.entries()) x = block.forward(x, inLayer({ ...ctx, tokenIds: ids }, layer))
      return this.head.forward(this.lnFinal.forward(x)) // [B, T, V]
    })
  }

  /**
   * The mean cross-entropy in nats, and nothing else: auxiliary losses go to `ctx.addLoss`.
   * @param x int32 [B, T]
   * @param y int32 [B, T], the next token ids
   * @returns a scalar
   */
  loss(x: Tensor, y: Tensor, ctx: ModelContext): Tensor {
    return crossEntropy(this.forward(x, ctx), y)
  }

  /** Whether the loss of a batch is the mean of its sequences' losses: not where capacity counts, for which all tokens compete. */
  rowsAreIndependent(training: boolean): boolean {
    return this.blocks.every(({ moe }) => moe.rowsAreIndependent?.(training) ?? false)
  }

  /**
   * A cache with which texts can be fed token by token: `forward(ids [rows, 1], { ...ctx, cache: cache.atPosition(position) })`.
   * @returns undefined where a token's output depends, or may depend, on more than the tokens before it: on other tokens (capacity, expert
   * choice), on noise, on parts that were passed in
   */
  newCache(rows: number): KeyValueCache | undefined {
    const { attention, router, expert, moe } = this.parts
    const isOwn = this.constructor === SparseMoELanguageModel && !(attention || router || expert || moe)
    const isDeterministic = this.blocks.every(({ moe }) => moe.isDeterministic?.() ?? false)
    if (!isOwn || !isDeterministic || !this.rowsAreIndependent(false)) return undefined
    const { nLayer, nHead, blockSize, nEmbed } = this.config
    return new KeyValueCache(nLayer, [rows, nHead, blockSize, nEmbed / nHead])
  }

  /** Whether a router decides by later tokens too (expert choice): the loss is then lower than it ought to be, and the model cannot write. */
  looksAhead(): boolean {
    return this.blocks.some(({ moe }) => moe.looksAhead?.() ?? false)
  }

  /** How many parameters one token meets: all but the experts that it is not sent to. A layer that is used twice sends it twice. */
  activeParameterCount(): number {
    return this.parameterCount() - idleParameterCount(this.blocks, this.config.topK) - (this.ngramEmbedding?.idleParameterCount() ?? 0)
  }
}
