/**
 * Variants to compare, by the question that they answer. The first of each is what the others are compared with: the model as its config
 * has it. A question is one entry here.
 */
import type { Config } from '../makemoe/config'
import { kaimingInit, scaledInit } from '../makemoe/model/initialization'
import { balances, experts, namesOf, routers } from '../makemoe/moe/parts'
import { lecunNormal } from '../makemoe/nn/initializers'
import type { Parts } from '../runs/parts'

/** What makes all trainings of a comparison equal; no variant changes it. */
export const equalConditions = ['steps', 'batchSize', 'blockSize', 'seed', 'evalInterval', 'evalIters'] as const

/** What a variant changes: fields of the config, and parts by value. */
export type Variant = Partial<Omit<Config, (typeof equalConditions)[number]>> & { readonly parts?: Parts }

/** Variants by name; all are compared with the first. */
export type Variants = Readonly<Record<string, Variant>>

/** The shared config with a variant's changes; not yet checked. */
export const changedBy = (shared: Config, { parts: _, ...changes }: Variant): Config => ({ ...shared, ...changes })

/** Variants of the parts in a table that have no entry of their own in a comparison: whatever was added to it. */
const variantsOfOthers = <Name extends string>(
  names: readonly Name[],
  listed: readonly NoInfer<Name>[],
  variantOf: (name: Name) => Variant,
): Variants => Object.fromEntries(names.filter((name) => !listed.includes(name)).map((name) => [name, variantOf(name)]))

/** The questions, and their variants of a given config. */
export const comparisons = {
  /** Which balancing method costs least, and which evens the load. */
  balance: () => ({
    none: { balance: 'none' },
    'switch:0.01': { balance: 'switch:0.01' },
    'importance:0.1': { balance: 'importance:0.1' },
    'load:0.1': { balance: 'load:0.1' },
    'sequence:0.01': { balance: 'sequence:0.01' },
    'z:0.001': { balance: 'z:0.001' },
    'bias:0.01': { balance: 'bias:0.01' },
    ...variantsOfOthers(namesOf(balances), ['switch', 'importance', 'load', 'sequence', 'z', 'bias'], (balance) => ({ balance })),
  }),
  /** What a learned router is worth. */
  router: ({ topK, router }) => ({
    [`${router}, k = ${topK}`]: {},
    ...(router === 'topk' ? {} : { topk: { router: 'topk' } }),
    sigmoid: { router: 'sigmoid' },
    'switch, k = 1': { router: 'switch', topK: 1 },
    'expert-choice': { router: 'expert-choice', capacityFactor: undefined, evalCapacityFactor: undefined },
    hash: { router: 'hash' },
    random: { router: 'random' },
    ...variantsOfOthers(
      namesOf(routers),
      [router, 'noisy-topk', 'topk', 'sigmoid', 'switch', 'expert-choice', 'hash', 'random'],
      (other) => ({ router: other }),
    ),
  }),
  /** Which expert, how many, how wide. */
  experts: ({ expert, numExperts: E, topK: K, nEmbed: C, expertWidth: F = 4 * C }) => ({
    [`${E} ${expert}, k = ${K}`]: {},
    gelu: { expert: 'gelu', expertWidth: F },
    swiglu: { expert: 'swiglu', expertWidth: Math.round((2 * F) / 3) },
    ...variantsOfOthers(namesOf(experts), [expert, 'relu', 'gelu', 'swiglu'], (other) => ({ expert: other, expertWidth: undefined })),
    [`${2 * E} of half width, k = ${2 * K}`]: { numExperts: 2 * E, topK: 2 * K, expertWidth: Math.ceil(F / 2) },
    ...(E > 1 && K > 1 ? { [`1 shared + ${E - 1}, k = ${K - 1}`]: { sharedExperts: 1, numExperts: E - 1, topK: K - 1 } } : {}),
    ...(E >= 2 * K ? { [`${Math.floor(E / 2)} experts, k = ${K}`]: { numExperts: Math.floor(E / 2) } } : {}),
    [`${2 * E} experts, k = ${K}`]: { numExperts: 2 * E },
  }),
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
  dense: ({ numExperts: E, topK: K, nEmbed: C, expertWidth: F = 4 * C }) => ({
    [`sparse, ${K} of ${E}`]: {},
    'dense, equal active parameters': { numExperts: 1, topK: 1, router: 'topk', expertWidth: K * F },
    'dense, equal total parameters': { numExperts: 1, topK: 1, router: 'topk', expertWidth: E * F },
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
} as const satisfies Record<string, (config: Config) => Variants>

export type ComparisonName = keyof typeof comparisons
