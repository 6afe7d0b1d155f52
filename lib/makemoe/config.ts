/**
 * The configuration of a model and of its training: every field in one table with its unit, bounds and default. The commands' options,
 * `config.json` and `validateConfig` are all made from this table.
 */

import { z } from 'zod'
import { at, isOneOf, keysOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { type DropPolicyName, dropPolicies, type ExpertName, experts, namesOf, parseBalance, type RouterName, routers } from './moe/parts'
import { type OptimizerName, optimizerNames } from './optim'

/** The shape of a model, its parts by name, and which of the original's quirks it keeps. */
export interface ModelConfig {
  readonly blockSize: number
  readonly nEmbed: number
  readonly nHead: number
  readonly nLayer: number
  readonly numExperts: number
  readonly topK: number
  readonly dropout: number
  readonly router: RouterName
  readonly expert: ExpertName
  /** Hidden width of an expert; absent: the expert's own default. */
  readonly expertWidth?: number | undefined
  /** Experts that every token passes through, besides the routed ones. */
  readonly sharedExperts: number
  /** `none`, or balancing methods with their weights: `switch:0.01`. */
  readonly balance: string
  /** Multiple of the even share that an expert serves at most; absent: nothing is dropped. */
  readonly capacityFactor?: number | undefined
  /** The same in evaluation; absent: as `capacityMode` says. */
  readonly evalCapacityFactor?: number | undefined
  readonly attentionScale: 'headSize' | 'nEmbed'
  readonly noiseMode: 'training' | 'always'
  readonly capacityMode: 'training' | 'always'
  /** Pairs that an expert may serve at least, however small the factor. */
  readonly minCapacity: number
  readonly dropPolicy: DropPolicyName
  /** What becomes of a token's gates when one of its choices is dropped. Default: kept. */
  readonly gatesAfterDrop?: 'kept' | 'renormalized' | undefined
  readonly initialization: 'scaled' | 'kaiming'
}

/** How a model is trained. */
export interface TrainConfig {
  readonly steps: number
  readonly batchSize: number
  readonly learningRate: number
  readonly schedule: 'constant' | 'cosine'
  readonly weightDecay: number
  /** Default: adamw. */
  readonly optimizer?: OptimizerName | undefined
  readonly evalInterval: number
  readonly evalIters: number
  readonly seed: number
}

export type Config = ModelConfig & TrainConfig

const count = (least = 1): z.ZodNumber => z.number().int().min(least).max(1e9)

function isBalance(text: string): boolean {
  try {
    return parseBalance(text).length >= 0
  } catch {
    return false
  }
}

/** Each field's rule and what it is, with its unit. */
const table = {
  blockSize: count().describe('context length (characters)'),
  nEmbed: count().describe('width of the residual stream'),
  nHead: count().describe('attention heads'),
  nLayer: count().describe('layers'),
  numExperts: count().describe('experts per layer'),
  topK: count().describe('experts per token'),
  dropout: z.number().min(0).lt(1).describe('dropout rate, in [0, 1)'),
  router: z.enum(namesOf(routers)).describe('how tokens choose experts'),
  expert: z.enum(namesOf(experts)).describe('kind of expert'),
  expertWidth: count().optional().describe('hidden width of an expert (default: 4 nEmbed; swiglu: 8/3 nEmbed)'),
  sharedExperts: count(0).describe('experts that every token passes through'),
  balance: z.string().refine(isBalance, 'none, or names with weights, separated by commas: switch:0.01').describe('balancing methods'),
  capacityFactor: z.number().gt(0).max(1e6).optional().describe('expert capacity as a multiple of the even share (default: none)'),
  evalCapacityFactor: z.number().gt(0).max(1e6).optional().describe('the same in evaluation (default: as --capacity-mode says)'),
  capacityMode: z.enum(['training', 'always']).describe('when capacity counts'),
  minCapacity: count(0).describe('(token, choice) pairs that an expert may serve at least'),
  dropPolicy: z.enum(namesOf(dropPolicies)).describe('which tokens are dropped'),
  gatesAfterDrop: z
    .enum(['kept', 'renormalized'])
    .default('kept')
    .describe("a token's other gates after a drop: as they were, or scaled to the same sum"),
  attentionScale: z.enum(['headSize', 'nEmbed']).describe('scores are divided by the root of this'),
  noiseMode: z.enum(['training', 'always']).describe('when routing noise is on'),
  initialization: z.enum(['scaled', 'kaiming']).describe('how weights are initialized'),
  steps: count(0).describe('training steps'),
  batchSize: count().describe('sequences in a batch'),
  learningRate: z.number().gt(0).max(100).describe('learning rate at its highest'),
  schedule: z.enum(['constant', 'cosine']).describe('learning rate over the run'),
  weightDecay: z.number().min(0).max(100).describe('weight decay, decoupled, on all parameters'),
  optimizer: z.enum(optimizerNames).default('adamw').describe('update rule'),
  evalInterval: count().describe('steps between evaluations'),
  evalIters: count().describe('batches per split in an evaluation'),
  seed: z
    .number()
    .int()
    .min(-(2 ** 31))
    .lt(2 ** 31)
    .describe('of all randomness'),
} as const

/** The fields that say how to train. */
export const trainFields = [
  'steps',
  'batchSize',
  'learningRate',
  'schedule',
  'weightDecay',
  'optimizer',
  'evalInterval',
  'evalIters',
  'seed',
] as const satisfies readonly (keyof TrainConfig)[]

/** A field of the table, for whoever makes options from it. */
export interface ConfigField {
  readonly name: keyof Config
  readonly description: string
  /** What its value is: one of `choices`, free text, or else a number. */
  readonly kind: 'choice' | 'text' | 'number'
  readonly choices?: readonly string[]
}

function kindOf(rule: z.ZodType): Pick<ConfigField, 'kind' | 'choices'> {
  const inner = rule instanceof z.ZodDefault ? rule.unwrap() : rule
  if (inner instanceof z.ZodEnum) return { kind: 'choice', choices: inner.options.map(String) }
  return { kind: inner instanceof z.ZodString ? 'text' : 'number' }
}

/** All fields in the order of the table. */
export function configFields(): ConfigField[] {
  return keysOf(table).map((name) => ({ name, description: table[name].description ?? '', ...kindOf(table[name]) }))
}

const base = {
  blockSize: 32,
  nEmbed: 128,
  nHead: 8,
  nLayer: 8,
  numExperts: 8,
  topK: 2,
  dropout: 0.1,
  router: 'noisy-topk',
  expert: 'relu',
  sharedExperts: 0,
  balance: 'none',
  gatesAfterDrop: 'kept',
  steps: 5000,
  batchSize: 16,
  learningRate: 1e-3,
  optimizer: 'adamw',
  weightDecay: 0.01,
  evalInterval: 100,
  evalIters: 400,
  seed: 1337,
} as const

/** The original's bugs fixed. */
const fixed = {
  attentionScale: 'headSize',
  noiseMode: 'training',
  capacityMode: 'training',
  minCapacity: 1,
  dropPolicy: 'rank',
  initialization: 'scaled',
  schedule: 'cosine',
} as const

/** `default` has the original's bugs fixed; `makemoe` is the original line by line; `tiny` writes words after a minute on two cores. */
export const presets = {
  default: { ...base, ...fixed },
  makemoe: {
    ...base,
    attentionScale: 'nEmbed',
    noiseMode: 'always',
    capacityMode: 'always',
    minCapacity: 0,
    dropPolicy: 'order',
    initialization: 'kaiming',
    schedule: 'constant',
  },
  tiny: {
    ...base,
    ...fixed,
    nEmbed: 64,
    nHead: 4,
    nLayer: 2,
    numExperts: 4,
    blockSize: 64,
    dropout: 0,
    steps: 1200,
    batchSize: 32,
    learningRate: 8e-3,
    evalInterval: 200,
    evalIters: 20,
  },
} as const satisfies Record<string, Config>

export type PresetName = keyof typeof presets

/**
 * A preset by name.
 * @throws ConfigError if there is none of that name
 */
export function preset(name: string): Config {
  const names = keysOf(presets)
  if (!isOneOf(names, name)) throw new ConfigError(`preset: got ${name}, expected one of ${names.join(', ')}`)
  return presets[name]
}

/**
 * The config of a checkpoint that was written before parts had names: fields that were renamed, and the only parts that there were. A
 * config of today is returned as it is.
 */
export function upgradeConfig(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('capacityRule' in input)) return input
  const { capacityRule, initialisation: initialization, ...others } = input as Record<string, unknown>
  const { capacityMode, minCapacity, dropPolicy } = capacityRule === 'makemoe' ? presets.makemoe : presets.default
  const { router, expert, sharedExperts, balance } = base
  return { router, expert, sharedExperts, balance, capacityMode, minCapacity, dropPolicy, initialization, ...others }
}

/**
 * Checks every field and their combinations.
 * @throws ConfigError that names the field, what was got and what was expected
 */
export function validateConfig(input: unknown): Config {
  const parsed = z.strictObject(table).safeParse(input)
  if (!parsed.success) {
    const issue = at(parsed.error.issues, 0)
    const field = issue.path.join('.')
    const got = (input as Record<string, unknown> | null)?.[field]
    if (issue.code === 'unrecognized_keys') throw new ConfigError(`unknown config field: ${issue.keys.join(', ')}`)
    if (field === 'balance' && typeof got === 'string') parseBalance(got) // says what exactly is wrong
    throw new ConfigError(`${field || 'config'}: got ${field ? String(got) : typeof input}, expected: ${issue.message}`)
  }
  const config = parsed.data as Config
  if (config.nEmbed % config.nHead !== 0)
    throw new ConfigError(`nEmbed: got ${config.nEmbed}, expected a multiple of nHead (${config.nHead})`)
  if (config.topK > config.numExperts) throw new ConfigError(`topK: got ${config.topK}, expected at most numExperts (${config.numExperts})`)
  return config
}
