/**
 * The questions that a comparison can answer, and their variants. The first variant of each is what the others are compared with, mostly the
 * model as its config has it. A question is one entry here.
 */
import type { Config } from '../makemoe/config'
import { kaimingInit, scaledInit } from '../makemoe/model/initialization'
import { type BalanceName, balances, type ExpertName, experts, namesOf, type RouterName, routers } from '../makemoe/moe/parts'
import { comparesScores } from '../makemoe/moe/router/by-layer'
import { lecunNormal } from '../makemoe/nn/initializers'
import { optimizerNames } from '../makemoe/optim'
import type { Dataset } from '../makemoe/text/dataset'
import type { Parts } from '../runs/parts'
import { byBalancedTable, byLastTwo, byPosition, sigmoidGate } from './experiment-routers'
import { recipeVariants } from './recipe'
import { scaledRate, usualMultiples, type Variant, type Variants } from './variants'

/** What a comparison may want to know of the text. */
export interface TextCounts {
  /** How often each token id occurs in the training split. */
  readonly counts: readonly number[]
}

/** How often each token id occurs in the training split. */
export function textCounts({ splits }: Dataset, vocabSize: number): TextCounts {
  const counts = new Array<number>(vocabSize).fill(0)
  for (const id of splits.train) counts[id] = (counts[id] ?? 0) + 1
  return { counts }
}

/** A variant for each name in a table, so that whatever is added to it is compared too. */
const variantsOf = <Name extends string>(names: readonly Name[], variantOf: (name: Name) => Variant): Variants =>
  Object.fromEntries(names.map((name) => [name, variantOf(name)]))

/** An expert's hidden width F. */
const widthOf = ({ expert, nEmbed: C, expertWidth }: Config): number =>
  expertWidth ?? (expert === 'swiglu' ? Math.round((8 * C) / 3) : 4 * C)

/** Whether every layer's router draws noise, which the load loss needs. */
const isNoisy = ({ router, firstRouters = 'none' }: Config): boolean => router === 'noisy-topk' && firstRouters === 'none'

/** Another expert with as many parameters: a gated one has three matrices where the others have two. */
function otherExpert(name: ExpertName, config: Config): Variant {
  const matrices = (expert: ExpertName): number => (expert === 'swiglu' ? 3 : 2)
  return { expert: name, expertWidth: Math.round((widthOf(config) * matrices(config.expert)) / matrices(name)) }
}

/** Another router with what it can work with: no biases where it compares no scores, no capacity where experts choose. */
const otherRouter = (name: RouterName, { balance }: Config): Variant => ({
  router: name,
  ...(comparesScores(name) || !balance.includes('quantile') ? {} : { balance: 'none' }),
  ...(name === 'switch' ? { topK: 1 } : {}),
  ...(name === 'expert-choice' ? { capacityFactor: undefined, evalCapacityFactor: undefined } : {}),
})

/** One feed-forward network in place of the mixture: no choice, and nothing to balance. */
const denseOf = (expertWidth: number): Variant => ({
  numExperts: 1,
  topK: 1,
  router: 'topk',
  firstRouters: 'none',
  balance: 'none',
  expertWidth,
})

/** One shared expert and K - 1 of the others; a single gate that is normalized is always 1, so there it is also measured with two that are not. */
function oneShared({ numExperts: E, topK: K }: Config): Variants {
  if (E < 2 || K < 2) return {}
  const shared: Variant = { sharedExperts: 1, numExperts: E - 1, topK: K - 1 }
  const name = `1 shared + ${E - 1}, k = ${K - 1}`
  if (K > 2) return { [name]: shared }
  const unnormalized: Variant = { ...shared, firstRouters: 'none' }
  return {
    [name]: shared,
    [`${name}, switch`]: { ...unnormalized, router: 'switch' },
    [`${name}, sigmoid gate`]: { ...unnormalized, parts: { router: sigmoidGate } },
  }
}

/** The questions, and their variants of a given config; those of a text are there where its counts are given. */
export const comparisons = {
  /** Which balancing method costs least, and which evens the load. */
  balance: (config) => ({
    none: { balance: 'none' },
    'switch:0.01': { balance: 'switch:0.01' },
    'importance:0.1': { balance: 'importance:0.1' },
    ...(isNoisy(config) ? { 'load:0.1': { balance: 'load:0.1' } } : {}),
    'sequence:0.01': { balance: 'sequence:0.01' },
    'z:0.001': { balance: 'z:0.001' },
    ...(comparesScores(config.router) ? { 'bias:0.01': { balance: 'bias:0.01' }, quantile: { balance: 'quantile' } } : {}),
    ...variantsOf(
      namesOf<BalanceName>(balances).filter(
        (name) => !['switch', 'importance', 'load', 'sequence', 'z', 'bias', 'quantile'].includes(name),
      ),
      (balance) => ({ balance }),
    ),
  }),
  /** What a learned router is worth. */
  router: (config) => ({
    [`${config.router}, k = ${config.topK}`]: {},
    ...Object.fromEntries(
      namesOf<RouterName>(routers)
        .filter((name) => name !== config.router)
        .map((name) => [name === 'switch' ? 'switch, k = 1' : name, otherRouter(name, config)]),
    ),
  }),
  /** Which expert, how many, how wide. */
  experts: (config) => {
    const { expert, numExperts: E, topK: K } = config
    const others = namesOf<ExpertName>(experts).filter((name) => name !== expert)
    return {
      [`${E} ${expert}, k = ${K}`]: {},
      ...variantsOf(others, (name) => otherExpert(name, config)),
      [`${2 * E} of half width, k = ${2 * K}`]: { numExperts: 2 * E, topK: 2 * K, expertWidth: Math.ceil(widthOf(config) / 2) },
      ...oneShared(config),
      ...(E >= 2 * K ? { [`${Math.floor(E / 2)} experts, k = ${K}`]: { numExperts: Math.floor(E / 2) } } : {}),
      [`${2 * E} experts, k = ${K}`]: { numExperts: 2 * E },
    }
  },
  /** What dropping costs. The capacity counts in training alone, so that all are evaluated alike. */
  capacity: () => ({
    unlimited: { capacityFactor: undefined, capacityMode: 'training' },
    'factor 2': { capacityFactor: 2, capacityMode: 'training' },
    'factor 1': { capacityFactor: 1, capacityMode: 'training' },
    'factor 0.5': { capacityFactor: 0.5, capacityMode: 'training' },
    'factor 0.25': { capacityFactor: 0.25, capacityMode: 'training' },
    'factor 1, in order': { capacityFactor: 1, capacityMode: 'training', dropPolicy: 'order' },
    'factor 1, at random': { capacityFactor: 1, capacityMode: 'training', dropPolicy: 'random' },
    'factor 1, renormalized': { capacityFactor: 1, capacityMode: 'training', gatesAfterDrop: 'renormalized' },
  }),
  /** What being sparse is worth, beside one feed-forward network. */
  dense: (config) => ({
    [`sparse, ${config.topK} of ${config.numExperts}`]: {},
    'dense, equal active parameters': denseOf(config.topK * widthOf(config)),
    'dense, equal total parameters': denseOf(config.numExperts * widthOf(config)),
  }),
  /** How the weights start. */
  init: () => ({
    scaled: { initialization: 'scaled' },
    kaiming: { initialization: 'kaiming' },
    xavier: { initialization: 'xavier' },
    'zero-residual': { initialization: 'zero-residual' },
    lecun: { parts: { init: { ...scaledInit, expert: lecunNormal, residual: lecunNormal } } },
    'kaiming, small head': { parts: { init: { ...kaimingInit, head: scaledInit.head } } },
  }),
  /** Which learning rate the model wants. */
  'learning-rate': ({ learningRate }) => {
    const rates = [1, ...usualMultiples.filter((multiple) => multiple !== 1)].map((multiple) => scaledRate(learningRate, multiple))
    return Object.fromEntries(rates.map((rate) => [`learning rate ${rate}`, { learningRate: rate }]))
  },
  /** Which update rule; Lion's steps have the size of the learning rate, so that it wants a fifth (Chen et al. 2023, section 5). */
  optimizer: ({ optimizer = 'adamw', learningRate }) => ({
    [optimizer]: {},
    ...variantsOf(
      optimizerNames.filter((name) => name !== optimizer),
      (name) => (name === 'lion' ? { optimizer: name, learningRate: scaledRate(learningRate, 0.2) } : { optimizer: name }),
    ),
  }),
  /** From how many steps on more experts pay, at equal active parameters (but for the router's own rows); with `lengths`. */
  scale: (config) => ({
    dense: denseOf(config.topK * widthOf(config)),
    ...Object.fromEntries(
      [2, 4, 8, 16, 32]
        .filter((count) => count >= config.topK)
        .map((count) => [`${count} experts`, { numExperts: count, ...(count === config.topK ? { balance: 'none' } : {}) }]),
    ),
  }),
  /** How finely experts are cut, at equal active and total parameters: G times as many of 1/G of the width (Krajewski et al. 2024, 2402.07871). */
  granularity: (config) =>
    Object.fromEntries(
      [1, 2, 4, 8].map((finer) => [
        `${finer * config.numExperts} experts, k = ${finer * config.topK}`,
        {
          numExperts: finer * config.numExperts,
          topK: finer * config.topK,
          expertWidth: Math.max(1, Math.round(widthOf(config) / finer)),
        },
      ]),
    ),
  /** What each step from the corrected model to the default is worth. */
  recipe: () => recipeVariants(),
  /** Why a table of characters can beat a learned router. */
  hash: ({ nLayer }, text?: TextCounts) => {
    const learned: Variant = { router: 'topk', firstRouters: 'none', learningRates: 'none' }
    const hash: Variant = { ...learned, router: 'hash', balance: 'none' }
    const table = (router: NonNullable<Parts['router']>): Variant => ({ ...learned, balance: 'none', parts: { router } })
    return {
      topk: learned,
      'topk, frozen': { ...learned, learningRates: 'router:0' },
      ...Object.fromEntries(
        [0.03, 0.1, 0.3, 3, 10].map((multiple) => [
          `topk, router's rate x ${multiple}`,
          { ...learned, learningRates: `router:${multiple}` },
        ]),
      ),
      hash,
      ...Object.fromEntries(
        [1, 2, 4]
          .filter((count) => count < nLayer)
          .map((count) => [`hash in ${count} of ${nLayer} layers`, { ...learned, firstRouters: `hash*${count}` }]),
      ),
      'hash, learned gates': { ...hash, router: 'hash-gated' },
      'hash of the last two characters': table(byLastTwo),
      'hash of the position': table(byPosition),
      ...(text ? { 'balanced table': table(byBalancedTable(text.counts)) } : {}),
      random: { ...hash, router: 'random' },
    }
  },
} as const satisfies Record<string, (config: Config, text?: TextCounts) => Variants>

export type ComparisonName = keyof typeof comparisons
