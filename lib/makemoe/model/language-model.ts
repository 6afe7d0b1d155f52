/**
 * SparseMoELanguageModel: token ids in, logits for the next token out. Token and position embeddings, nLayer blocks, a final LayerNorm, a
 * linear head.
 */
import { isOneOf } from '../../base/assertions'
import { ConfigError, ShapeError } from '../../base/errors'
import { nearest } from '../../base/nearest'
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { ModelConfig } from '../config'
import type { BalancingLoss, ExpertModule, RouterModule } from '../moe/contracts'
import { type BalanceName, type BalancingMethod, balances, experts, parseBalance, routers } from '../moe/parts'
import { SparseMoE, type SparseMoEOptions, type WeightedLoss } from '../moe/sparse-moe'
import { type Context, inLayer } from '../nn/context'
import { Embedding } from '../nn/embedding'
import { inHalves } from '../nn/halves'
import { LayerNorm } from '../nn/layer-norm'
import { Linear } from '../nn/linear'
import { crossEntropy } from '../nn/loss'
import { Module } from '../nn/module'
import { MultiHeadAttention } from './attention'
import { type AttentionModule, Block, type MixtureModule } from './block'
import { kaimingInit, type ModelInit, scaledInit } from './initialization'
import { KeyValueCache } from './key-value-cache'

/** A model's config, and the size of the vocabulary. */
export type LanguageModelConfig = ModelConfig & { readonly vocabSize: number }

type MakePart<Part> = (config: LanguageModelConfig, stream: RandomStream, init: ModelInit) => Part

/** The parts that can be passed in; the others are made by the names in the config. */
export interface ModelParts {
  readonly attention?: MakePart<AttentionModule>
  readonly router?: MakePart<RouterModule>
  readonly expert?: MakePart<ExpertModule>
  /** In place of the whole mixture; `router`, `expert` and the config's balance are then its own affair. */
  readonly moe?: MakePart<MixtureModule>
  readonly init?: ModelInit
  /** A balancing loss of one layer, already weighted; in place of the config's. */
  readonly balance?: BalancingLoss
}

const partNames = ['attention', 'router', 'expert', 'moe', 'init', 'balance'] as const satisfies readonly (keyof ModelParts)[]

/** @throws ConfigError if there is a part of an unknown name, with the nearest known one */
export function checkParts(parts: object): void {
  const unknown = Object.keys(parts).find((name) => !isOneOf(partNames, name))
  if (unknown !== undefined)
    throw new ConfigError(`parts: got ${unknown}, expected some of ${partNames.join(', ')}${nearest(unknown, partNames)}`)
}

/** What a part that was passed in makes. @throws ConfigError if that is nothing */
const made =
  <Part>(name: keyof ModelParts, make: MakePart<Part>): MakePart<Part> =>
  (...of) => {
    const part: Part | undefined = make(...of)
    if (part === undefined) throw new ConfigError(`parts.${name}: got nothing back, expected a module (is a \`return\` missing?)`)
    return part
  }

const makeAttention: MakePart<AttentionModule> = ({ nEmbed, nHead, blockSize, dropout, attentionScale }, stream, init) => {
  const options = { dropout, scale: attentionScale, init: init.attention, projInit: init.residual }
  return inHalves(new MultiHeadAttention(nEmbed, nHead, blockSize, stream, options))
}

/** What balances each layer, by the config or by a given loss. */
function balancing(config: LanguageModelConfig, given: BalancingLoss | undefined): Pick<SparseMoEOptions, 'losses' | 'balancing'> {
  if (given) return { losses: [{ name: 'balance', weight: 1, loss: given }] }
  const methods: Readonly<Record<BalanceName, BalancingMethod>> = balances
  const chosen = parseBalance(config.balance).map(({ name, weight }) => ({ name, weight, method: methods[name] }))
  return {
    losses: chosen.flatMap(({ name, weight, method }): WeightedLoss[] => ('loss' in method ? [{ name, weight, loss: method.loss }] : [])),
    balancing: chosen.flatMap(({ weight, method }) => ('state' in method ? [method.state(config.numExperts, weight)] : []))[0],
  }
}

const makeMixture =
  (parts: ModelParts): MakePart<SparseMoE> =>
  (config, stream, init) => {
    const { dropout, capacityFactor, evalCapacityFactor, capacityMode, minCapacity, dropPolicy, gatesAfterDrop = 'kept' } = config
    const makeExpert = made<ExpertModule>('expert', parts.expert ?? experts[config.expert])
    const makeExperts = (count: number): ExpertModule[] => Array.from({ length: count }, () => makeExpert(config, stream, init))
    const routed = makeExperts(config.numExperts)
    const router = made<RouterModule>('router', parts.router ?? routers[config.router])(config, stream, init)
    const capacity = { capacityFactor, evalCapacityFactor, capacityMode, minCapacity, dropPolicy, gatesAfterDrop }
    const shared = makeExperts(config.sharedExperts)
    return new SparseMoE(router, routed, { dropout, ...capacity, shared, ...balancing(config, parts.balance) })
  }

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

  /** @throws ConfigError if there is a part of an unknown name, or sizes that do not fit */
  constructor(
    readonly config: LanguageModelConfig,
    stream: RandomStream,
    private readonly parts: ModelParts = {},
  ) {
    super()
    checkParts(parts)
    const { nEmbed, nLayer, blockSize, vocabSize } = config
    const { attention = makeAttention, moe = makeMixture(parts) } = parts
    const init = parts.init ?? (config.initialization === 'kaiming' ? kaimingInit : scaledInit)
    this.tokenEmbedding = new Embedding(vocabSize, nEmbed, stream, init.embedding)
    this.positionEmbedding = new Embedding(blockSize, nEmbed, stream, init.embedding)
    const newBlock = (): Block =>
      new Block(nEmbed, made('attention', attention)(config, stream, init), made('moe', moe)(config, stream, init))
    this.blocks = Array.from({ length: nLayer }, newBlock)
    this.lnFinal = new LayerNorm(nEmbed)
    this.head = new Linear(nEmbed, vocabSize, stream, { init: init.head })
  }

  /**
   * Logits for the next token at every position.
   * @param ids int32 [B, T], T at most blockSize; [B, 1] with a cache, which says at which position
   * @returns logits float32 [B, T, V]
   * @throws ShapeError
   */
  forward(ids: Tensor, ctx: Context): Tensor {
    const [, T = 0] = ids.shape
    if (ids.rank !== 2 || T > this.config.blockSize || T < 1)
      throw new ShapeError(`model: got token ids of shape [${ids.shape.join(', ')}], expected [B, 1 to ${this.config.blockSize}]`)
    const positions = this.positionEmbedding.forward(ctx.cache ? tf.expandDims(ctx.cache.position, 1) : tf.range(0, T, 1, 'int32'))
    let x = tf.add(this.tokenEmbedding.forward(ids), positions) // [B, T, C]
    for (const [layer, block] of this.blocks.entries()) x = block.forward(x, inLayer({ ...ctx, tokenIds: ids }, layer))
    return this.head.forward(this.lnFinal.forward(x)) // [B, T, V]
  }

  /**
   * The mean cross-entropy in nats, and nothing else: auxiliary losses go to `ctx.addLoss`.
   * @param x int32 [B, T]
   * @param y int32 [B, T], the next token ids
   * @returns a scalar
   */
  loss(x: Tensor, y: Tensor, ctx: Context): Tensor {
    return crossEntropy(this.forward(x, ctx), y)
  }

  /** Whether the loss of a batch is the mean of its sequences' losses: not where capacity counts, for which all tokens compete. */
  rowsAreIndependent(training: boolean): boolean {
    return this.blocks.every(({ moe }) => moe.rowsAreIndependent?.(training) ?? false)
  }

  /**
   * A cache with which texts can be fed token by token: `forward(ids [rows, 1], { ...ctx, cache: cache.at(position) })`.
   * @returns undefined where a token's output depends, or may depend, on more than the tokens before it: on other tokens (capacity, expert
   * choice), on noise, on parts that were passed in
   */
  newCache(rows: number): KeyValueCache | undefined {
    const { attention, router, expert, moe } = this.parts
    const isOwn = this.constructor === SparseMoELanguageModel && !(attention || router || expert || moe)
    const isDrawn = this.config.noiseMode === 'always' || this.config.router === 'random'
    if (!isOwn || isDrawn || !this.rowsAreIndependent(false)) return undefined
    const { nLayer, nHead, blockSize, nEmbed } = this.config
    return new KeyValueCache(nLayer, [rows, nHead, blockSize, nEmbed / nHead])
  }

  /** Whether a router decides by later tokens too (expert choice): the loss is then lower than it ought to be, and the model cannot write. */
  looksAhead(): boolean {
    return this.blocks.some(({ moe }) => moe.looksAhead?.() ?? false)
  }

  /** How many parameters one token meets: all but the experts that it is not sent to. A layer that is used twice sends it twice. */
  activeParameterCount(): number {
    const uses = new Map<MixtureModule, number>()
    for (const { moe } of this.blocks) uses.set(moe, (uses.get(moe) ?? 0) + 1)
    return [...uses].reduce((sum, [moe, times]) => {
      const active = moe.activeParameterCount?.(this.config.topK * times) ?? moe.parameterCount()
      return sum - moe.parameterCount() + active
    }, this.parameterCount())
  }
}
