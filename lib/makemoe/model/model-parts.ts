/** The parts of a language model: those that are passed in, and the others by their names in the config. */
import { ConfigError } from '../../base/errors'
import type { RandomStream } from '../../engine/tensor/streams'
import type { ModelConfig } from '../config'
import { balancingOf } from '../moe/balance/from-config'
import type { BalancingLoss, ExpertModule, RouterModule } from '../moe/contracts'
import { experts, routers } from '../moe/parts'
import { SparseMoE } from '../moe/sparse-moe'
import { InHalves } from '../nn/halves'
import { checkPartNames } from '../part-names'
import { MultiHeadAttention } from './attention'
import type { AttentionModule, MixtureModule } from './block'
import { initializations, type ModelInit } from './initialization'

/** A model's config, and the size of the vocabulary. */
export type LanguageModelConfig = ModelConfig & { readonly vocabSize: number }

/** Makes a part of a model from its config. */
export type MakePart<Part> = (config: LanguageModelConfig, stream: RandomStream, init: ModelInit) => Part

/** The parts that can be passed in. */
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

/** Calls a maker and rejects a missing return value. */
const requirePart =
  <Part>(name: keyof ModelParts, make: MakePart<Part>): MakePart<Part> =>
  (...args) => {
    const part: Part | undefined = make(...args)
    if (part === undefined) throw new ConfigError(`parts.${name}: got nothing back, expected a module (is a \`return\` missing?)`)
    return part
  }

const makeAttention: MakePart<AttentionModule> = (config, stream, init) => {
  const { nEmbed, nHead, blockSize, dropout, attentionScale: scale, positions, qkNorm = 'none' } = config
  const parts = { rope: positions === 'rope', qkNorm: qkNorm === 'rms' }
  const options = { dropout, scale, ...parts, init: init.attention, projInit: init.residual }
  return new InHalves(new MultiHeadAttention(nEmbed, nHead, blockSize, stream, options))
}

const mixtureOf =
  (parts: ModelParts): MakePart<SparseMoE> =>
  (config, stream, init) => {
    const { dropout, capacityFactor, evalCapacityFactor, capacityMode, minCapacity, dropPolicy, gatesAfterDrop = 'kept' } = config
    const makeExpert = requirePart<ExpertModule>('expert', parts.expert ?? experts[config.expert])
    const makeRouter = requirePart<RouterModule>('router', parts.router ?? routers[config.router])
    const makeExperts = (count: number): ExpertModule[] => Array.from({ length: count }, () => makeExpert(config, stream, init))
    // In this order, since each draws its first weights from the stream.
    const routed = makeExperts(config.numExperts)
    const router = makeRouter(config, stream, init)
    const shared = makeExperts(config.sharedExperts)
    const capacity = { capacityFactor, evalCapacityFactor, capacityMode, minCapacity, dropPolicy, gatesAfterDrop }
    const balancing = balancingOf(config, parts.router ? undefined : config.router, parts.balance)
    return new SparseMoE(router, routed, { dropout, ...capacity, shared, ...balancing })
  }

/**
 * How a model makes its blocks' parts, and its first weights.
 * @throws ConfigError if there is a part of an unknown name
 */
export function makersOf(
  config: LanguageModelConfig,
  parts: ModelParts,
): { makeAttention: MakePart<AttentionModule>; makeMixture: MakePart<MixtureModule>; init: ModelInit } {
  checkPartNames(parts, 'architecture', 'learning')
  return {
    makeAttention: requirePart('attention', parts.attention ?? makeAttention),
    makeMixture: requirePart('moe', parts.moe ?? mixtureOf(parts)),
    init: parts.init ?? initializations[config.initialization],
  }
}
