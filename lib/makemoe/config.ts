/**
 * The configuration of a model and of its training: every field in one table with its rule, its default and what it is, by group. The types,
 * the commands' options, `config.json` and `validateConfig` are all made from this table.
 */

import { z } from 'zod'
import { at, isOneOf, keysOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { initializations } from './model/initialization'
import { checkBalance, parseBalance } from './moe/balance/from-config'
import { balances, dropPolicies, experts, namesOf, type RouterName, routers } from './moe/parts'
import { parseFirstRouters } from './moe/router/by-layer'
import { norms } from './nn/norms'
import { optimizerNames } from './optim'
import { parseLearningRates } from './optim/learning-rates'
import { roles } from './optim/roles'
import { schedules } from './train/schedule'

const count = (least = 1): z.ZodNumber => z.number().int().min(least).max(1e9)

/** The sizes of the model, and how its weights start. */
const model = {
  blockSize: count().default(32).describe('context length (characters)'),
  nEmbed: count().default(128).describe('width of the residual stream'),
  nHead: count().default(8).describe('attention heads'),
  nLayer: count().default(8).describe('layers'),
  dropout: z.number().min(0).max(0.999).default(0.1).describe('dropout rate, at most 0.999'),
  attentionScale: z.enum(['headSize', 'nEmbed']).default('headSize').describe('scores are divided by the root of this'),
  positions: z
    .enum(['learned', 'rope'])
    .default('learned')
    .describe('how positions are known: a learned embedding, or rotated queries and keys'),
  norm: z.enum(namesOf(norms)).default('layer').describe('normalization of the residual stream'),
  qkNorm: z.enum(['none', 'rms']).default('none').describe('normalization of queries and keys'),
  embeddings: z.enum(['separate', 'tied']).default('separate').describe('whether the head has weights of its own, or the token embeddings'),
  ngram: count()
    .max(16)
    .default(1)
    .describe('tokens that have an embedding together, hashed to 16,381 rows, besides those of single tokens: 3; 1: none'),
  initialization: z.enum(namesOf(initializations)).default('scaled').describe('how weights are initialized'),
}

/** The experts of each layer, and how tokens come to them. */
const mixture = {
  numExperts: count().default(8).describe('experts per layer'),
  topK: count().default(2).describe('experts per token'),
  router: z.enum(namesOf(routers)).default('noisy-topk').describe('how tokens choose experts'),
  firstRouters: z
    .string()
    .refine(readableBy(parseFirstRouters), 'none, or routers with numbers of layers: hash*3')
    .default('none')
    .describe('routers of the first layers, where they are others: hash*3; the layers after have --router'),
  expert: z.enum(namesOf(experts)).default('relu').describe('kind of expert'),
  expertWidth: count().optional().describe('hidden width of an expert (default: 4 nEmbed; swiglu: 8/3 nEmbed)'),
  sharedExperts: count(0).default(0).describe('experts that every token passes through, besides the routed ones'),
  balance: z
    .string()
    .refine(readableBy(parseBalance), 'none, or names with weights, separated by commas: switch:0.01')
    .default('none')
    .describe(`how the load is balanced: none, or some of ${namesOf(balances).join(', ')}, with weights: switch:0.01,z:0.001`),
  capacityFactor: z.number().gt(0).max(1e6).optional().describe('expert capacity as a multiple of the even share (default: none)'),
  evalCapacityFactor: z.number().gt(0).max(1e6).optional().describe('the same in evaluation (default: as --capacity-mode says)'),
  capacityMode: z.enum(['training', 'always']).default('training').describe('when capacity counts'),
  minCapacity: count(0).default(1).describe('(token, choice) pairs that an expert may serve at least'),
  dropPolicy: z.enum(namesOf(dropPolicies)).default('rank').describe('which tokens are dropped'),
  gatesAfterDrop: z
    .enum(['kept', 'renormalized'])
    .default('kept')
    .describe("a token's other gates after a drop: as they were, or scaled to the same sum"),
  noiseMode: z.enum(['training', 'always']).default('training').describe('when routing noise is on'),
}

/** How a model is trained. */
const training = {
  steps: count(0).default(5000).describe('training steps'),
  batchSize: count().default(16).describe('sequences in a batch'),
  learningRate: z.number().gt(0).max(100).default(1e-3).describe('learning rate at its highest'),
  schedule: z.enum(namesOf(schedules)).default('cosine').describe('learning rate over the run'),
  warmup: count(0).optional().describe('steps over which the learning rate rises (default: 100, a tenth of a short run; constant: 0)'),
  finalLearningRate: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe('what a learning rate that falls ends at (default: a tenth; linear: 0)'),
  learningRates: z
    .string()
    .refine(readableBy(parseLearningRates), 'none, or roles with multiples, separated by commas: router:0.3')
    .default('none')
    .describe(`multiples of the learning rate by role, of ${roles.join(', ')}: router:0.3,embedding:2; 0 freezes`),
  weightDecay: z.number().min(0).max(100).default(0.01).describe('weight decay, decoupled, on all parameters'),
  optimizer: z.enum(optimizerNames).default('adamw').describe('update rule'),
  clipNorm: z.number().gt(0).max(1e9).optional().describe('a gradient whose norm is larger is scaled down to it (default: none)'),
  accumulate: count()
    .default(1)
    .describe('pieces in which a batch is computed, with the memory of one; capacity and balancing losses count within a piece'),
  evalInterval: count().default(100).describe('steps between evaluations'),
  evalIters: count().default(400).describe('batches per split in an evaluation'),
  seed: z
    .number()
    .int()
    .min(-(2 ** 31))
    .lt(2 ** 31)
    .default(1337)
    .describe('of all randomness'),
}

/** The fields by group, in the order of --help. */
const groups = { model, mixture, training }
const table = { ...model, ...mixture, ...training }
const schema = z.strictObject(table)
const modelSchema = z.object({ ...model, ...mixture }).partial()
const trainSchema = z.object(training).partial()

/** Fields that configs of earlier versions lack, and that a config need not have: their defaults are what those versions did. */
const addedLater = [
  'gatesAfterDrop',
  'optimizer',
  'accumulate',
  'positions',
  'norm',
  'qkNorm',
  'embeddings',
  'ngram',
  'firstRouters',
  'learningRates',
] as const
type AddedLater = (typeof addedLater)[number]

/** A config in which every field has its value. */
export type CompleteConfig = Readonly<z.output<typeof schema>>
type Given<Fields extends keyof CompleteConfig> = Omit<Pick<CompleteConfig, Fields>, AddedLater> &
  Partial<Pick<CompleteConfig, Extract<Fields, AddedLater>>>

/** The shape of a model, its parts by name, and which of the original's quirks it keeps. */
export type ModelConfig = Given<keyof typeof model | keyof typeof mixture>
/** How a model is trained. */
export type TrainConfig = Given<keyof typeof training>
/** All settings of a model and its training; the table in this file has their defaults and meanings. */
export type Config = ModelConfig & TrainConfig

/** The fields that say how to train. */
export const trainFields: readonly (keyof TrainConfig)[] = keysOf(training)

/** Gives the fields that a config need not have their defaults. */
export function withDefaults<Fields extends object>(config: Fields): Fields & Pick<CompleteConfig, AddedLater> {
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
  const defaults = Object.fromEntries(addedLater.map((name) => [name, table[name].parse(undefined)])) as Pick<CompleteConfig, AddedLater> // by the table
  return { ...config, ...defaults, ...given }
}

/** A field of the table, for whoever makes options from it. */
export interface ConfigField {
  readonly name: keyof Config
  readonly group: keyof typeof groups
  readonly description: string
  /** What its value is: one of `choices`, free text, or else a number. */
  readonly kind: 'choice' | 'text' | 'number'
  readonly choices?: readonly string[]
  readonly default?: unknown
}

function kindOf(rule: z.ZodType): Pick<ConfigField, 'kind' | 'choices' | 'default'> {
  if (rule instanceof z.ZodDefault) return { ...kindOf(rule.unwrap() as z.ZodType), default: rule.parse(undefined) } // zod's type is wider
  if (rule instanceof z.ZodEnum) return { kind: 'choice', choices: rule.options.map(String) }
  return { kind: rule instanceof z.ZodString ? 'text' : 'number' }
}

/** All fields in the order of the table. */
export function configFields(): ConfigField[] {
  return keysOf(groups).flatMap((group) =>
    keysOf<Readonly<Record<string, z.ZodType>>>(groups[group]).map((name) => {
      const rule = table[name as keyof Config] // a group has fields of the table alone
      return { name: name as keyof Config, group, description: rule.description ?? '', ...kindOf(rule) }
    }),
  )
}

/** The original with its bugs fixed: what the table says, and so what a field of an earlier version's config is that had none. */
export const corrected: Config = schema.parse({})

/** Whether a text can be read. */
function readableBy(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text)
      return true
    } catch {
      return false
    }
  }
}

/** What was expected of a field, in words. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_small') return issue.inclusive ? `at least ${issue.minimum}` : `more than ${issue.minimum}`
  if (issue.code === 'too_big') return issue.inclusive ? `at most ${issue.maximum}` : `less than ${issue.maximum}`
  if (issue.code === 'invalid_value') return `one of ${issue.values.join(', ')}`
  if (issue.code === 'invalid_type')
    return { int: 'an integer', number: 'a number', string: 'a text' }[String(issue.expected)] ?? 'an object'
  return issue.message
}

const fieldsOf = (input: unknown): Readonly<Record<string, unknown>> => (typeof input === 'object' && input !== null ? { ...input } : {})

/** Names the first field that is wrong, what was got and what was expected. */
function refusal({ issues }: z.ZodError, input: unknown): ConfigError {
  const issue = at(issues, 0)
  const field = issue.path.join('.')
  const got = fieldsOf(input)[field]
  if (issue.code === 'unrecognized_keys') return new ConfigError(`unknown config field: ${issue.keys.join(', ')}`)
  if (field === 'balance' && typeof got === 'string') parseBalance(got) // says what exactly is wrong
  if (field === 'firstRouters' && typeof got === 'string') parseFirstRouters(got)
  if (field === 'learningRates' && typeof got === 'string') parseLearningRates(got)
  const shown = issue.code === 'invalid_type' && typeof got === 'string' ? `the text ${got}` : String(got)
  return new ConfigError(`${field || 'config'}: got ${field ? shown : typeof input}, expected ${expectation(issue)}`)
}

/** @throws ConfigError if they are more than the layers */
function firstRoutersOf({ firstRouters = 'none', nLayer = Number.POSITIVE_INFINITY }: Partial<ModelConfig>): RouterName[] {
  const first = parseFirstRouters(firstRouters)
  if (first.length > nLayer)
    throw new ConfigError(`firstRouters: got routers for ${first.length} layers, expected at most nLayer (${nLayer})`)
  return first
}

/**
 * Checks those of a model's fields that are given, each alone, and that no router is for a layer beyond the last.
 * @throws ConfigError that names the field, what was got and what was expected
 */
export function checkModelFields(given: Partial<ModelConfig>): void {
  const { error } = modelSchema.safeParse(given)
  if (error) throw refusal(error, given)
  firstRoutersOf(given)
}

/**
 * Checks those of a training's fields that are given, each alone.
 * @throws ConfigError that names the field, what was got and what was expected
 */
export function checkTrainFields(given: Partial<TrainConfig>): void {
  const { error } = trainSchema.safeParse(given)
  if (error) throw refusal(error, given)
}

/**
 * Checks every field and their combinations.
 * @throws ConfigError that names the field, what was got and what was expected
 */
export function validateConfig(input: unknown): Config {
  const given = fieldsOf(input)
  const missing = keysOf(table).find(
    (name) => given[name] === undefined && !isOneOf(addedLater, name) && table[name] instanceof z.ZodDefault,
  )
  const parsed = schema.safeParse(input)
  if (!parsed.success) throw refusal(parsed.error, input)
  if (missing !== undefined) throw new ConfigError(`${missing}: got undefined, expected a value (${table[missing].description})`)
  const config = parsed.data
  if (config.nEmbed % config.nHead !== 0)
    throw new ConfigError(`nEmbed: got ${config.nEmbed}, expected a multiple of nHead (${config.nHead})`)
  if (config.positions === 'rope' && (config.nEmbed / config.nHead) % 2 !== 0)
    throw new ConfigError(
      `positions: got rope with a head of ${config.nEmbed / config.nHead} numbers, expected an even number (nEmbed / nHead)`,
    )
  const first = firstRoutersOf(config)
  checkBalance(config.balance, [...first, ...(first.length < config.nLayer ? [config.router] : [])])
  if (config.topK > config.numExperts) throw new ConfigError(`topK: got ${config.topK}, expected at most numExperts (${config.numExperts})`)
  if (config.schedule === 'constant' && config.finalLearningRate !== undefined)
    throw new ConfigError(`finalLearningRate: got ${config.finalLearningRate} with the schedule constant, expected one that falls`)
  if (config.batchSize % config.accumulate !== 0)
    throw new ConfigError(`accumulate: got ${config.accumulate}, expected a divisor of batchSize (${config.batchSize})`)
  if (config.accumulate > 1 && parseBalance(config.balance).some(({ name }) => 'state' in balances[name]))
    throw new ConfigError(`accumulate: got ${config.accumulate} with balance ${config.balance}, expected 1: the bias moves once a batch`)
  return config
}
