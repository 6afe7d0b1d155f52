/**
 * The configuration of a model and of its training: every field in one table with its unit, bounds and default. The commands' options,
 * `config.json` and `validateConfig` are all made from this table.
 */
import { z } from 'zod'
import { ConfigError } from './errors'

/** The shape of a model and which of the original's slips it keeps. */
export interface ModelConfig {
  readonly blockSize: number
  readonly nEmbed: number
  readonly nHead: number
  readonly nLayer: number
  readonly numExperts: number
  readonly topK: number
  readonly dropout: number
  /** Multiple of the even share that an expert serves at most; absent: nothing is dropped. */
  readonly capacityFactor?: number | undefined
  readonly attentionScale: 'headSize' | 'nEmbed'
  readonly noiseMode: 'training' | 'always'
  readonly capacityRule: 'training' | 'makemoe'
  readonly initialisation: 'scaled' | 'kaiming'
}

/** How a model is trained. */
export interface TrainConfig {
  readonly steps: number
  readonly batchSize: number
  readonly learningRate: number
  readonly schedule: 'constant' | 'cosine'
  readonly weightDecay: number
  readonly evalInterval: number
  readonly evalIters: number
  readonly seed: number
}

export type Config = ModelConfig & TrainConfig

const count = (least = 1): z.ZodNumber => z.number().int().min(least).max(1e9)

/** Each field's rule and what it is, with its unit. */
const table = {
  blockSize: count().describe('context length (characters)'),
  nEmbed: count().describe('width of the residual stream'),
  nHead: count().describe('attention heads'),
  nLayer: count().describe('layers'),
  numExperts: count().describe('experts per layer'),
  topK: count().describe('experts per token'),
  dropout: z.number().min(0).lt(1).describe('probability of a zero, in [0, 1)'),
  capacityFactor: z.number().gt(0).max(1e6).optional().describe('expert capacity as a multiple of the even share (default: none)'),
  attentionScale: z.enum(['headSize', 'nEmbed']).describe('scores are divided by the root of this'),
  noiseMode: z.enum(['training', 'always']).describe('when routing noise is on'),
  capacityRule: z.enum(['training', 'makemoe']).describe('how tokens are dropped'),
  initialisation: z.enum(['scaled', 'kaiming']).describe('how weights start'),
  steps: count(0).describe('training steps'),
  batchSize: count().describe('sequences in a batch'),
  learningRate: z.number().gt(0).max(100).describe('of AdamW, at its highest'),
  schedule: z.enum(['constant', 'cosine']).describe('how the learning rate moves'),
  weightDecay: z.number().min(0).max(100).describe('of AdamW, decoupled, on all parameters'),
  evalInterval: count().describe('steps between evaluations'),
  evalIters: count().describe('batches per split in an evaluation'),
  seed: z
    .number()
    .int()
    .min(-(2 ** 31))
    .lt(2 ** 31)
    .describe('of all randomness'),
} as const

/** A field of the table, for whoever makes options from it. */
export interface ConfigField {
  readonly name: keyof Config
  readonly description: string
  readonly choices?: readonly string[]
}

/** All fields in the order of the table. */
export function configFields(): ConfigField[] {
  return Object.entries(table).map(([name, rule]) => ({
    name: name as keyof Config,
    description: rule.description ?? '',
    ...(rule instanceof z.ZodEnum ? { choices: rule.options as string[] } : {}),
  }))
}

const base = {
  blockSize: 32,
  nEmbed: 128,
  nHead: 8,
  nLayer: 8,
  numExperts: 8,
  topK: 2,
  dropout: 0.1,
  steps: 5000,
  batchSize: 16,
  learningRate: 1e-3,
  weightDecay: 0.01,
  evalInterval: 100,
  evalIters: 400,
  seed: 1337,
} as const

/** `default` has the original's slips mended; `makemoe` is the original line by line. */
export const presets = {
  default: {
    ...base,
    attentionScale: 'headSize',
    noiseMode: 'training',
    capacityRule: 'training',
    initialisation: 'scaled',
    schedule: 'cosine',
  },
  makemoe: {
    ...base,
    attentionScale: 'nEmbed',
    noiseMode: 'always',
    capacityRule: 'makemoe',
    initialisation: 'kaiming',
    schedule: 'constant',
  },
} as const satisfies Record<string, Config>

export type PresetName = keyof typeof presets

/**
 * A preset by name.
 * @throws ConfigError if there is none of that name
 */
export function preset(name: string): Config {
  if (!Object.hasOwn(presets, name)) throw new ConfigError(`preset: got ${name}, expected one of ${Object.keys(presets).join(', ')}`)
  return presets[name as PresetName]
}

/**
 * Checks every field and their combinations.
 * @throws ConfigError that names the field, what was got and what was expected
 */
export function validateConfig(input: unknown): Config {
  const parsed = z.strictObject(table).safeParse(input)
  if (!parsed.success) {
    const issue = parsed.error.issues[0] as z.core.$ZodIssue
    const field = issue.path.join('.')
    const got = (input as Record<string, unknown> | null)?.[field]
    if (issue.code === 'unrecognized_keys') throw new ConfigError(`unknown config field: ${issue.keys.join(', ')}`)
    throw new ConfigError(`${field || 'config'}: got ${field ? String(got) : typeof input}, expected: ${issue.message}`)
  }
  const config = parsed.data as Config
  if (config.nEmbed % config.nHead !== 0)
    throw new ConfigError(`nEmbed: got ${config.nEmbed}, expected a multiple of nHead (${config.nHead})`)
  if (config.topK > config.numExperts) throw new ConfigError(`topK: got ${config.topK}, expected at most numExperts (${config.numExperts})`)
  return config
}
