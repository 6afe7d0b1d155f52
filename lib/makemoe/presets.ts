/** Presets: whole configurations by name. A new one is an entry of the table; `--preset` and its help follow. */
import { isOneOf, keysOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { type Config, corrected } from './config'

/** The size and the training of `corrected`, with what lowered its loss, one step at a time (lab/recipe.ts has the steps). */
const better = {
  ...corrected,
  router: 'hash-gated',
  expert: 'relu2',
  positions: 'rope',
  qkNorm: 'rms',
  initialization: 'kaiming',
  dropout: 0,
  learningRate: 3e-3,
  schedule: 'linear',
  weightDecay: 0.1,
} as const satisfies Config

/** What the rungs of the ladder share: Muon, whose arithmetic does not grow with the batch, pays from some 2,048 tokens a step on. */
const rung = {
  ...better,
  initialization: 'zero-residual',
  optimizer: 'muon',
  ngram: 3,
  nHead: 4,
  evalIters: 20,
} as const satisfies Config

const narrow = { ...rung, nEmbed: 64, nLayer: 2, numExperts: 4, blockSize: 64, batchSize: 32, learningRate: 8e-3 } as const satisfies Config

const wide = { ...rung, nLayer: 4, expertWidth: 256, blockSize: 128, learningRate: 6e-3 } as const satisfies Config

/**
 * `makemoe` is the original line by line, `corrected` the same with its bugs fixed; `default` has their size, and what lowered the loss. The
 * others are a ladder: each takes longer than the one before, for a lower loss.
 */
export const presets = {
  default: better,
  corrected,
  makemoe: {
    ...corrected,
    attentionScale: 'nEmbed',
    noiseMode: 'always',
    capacityMode: 'always',
    minCapacity: 0,
    dropPolicy: 'order',
    initialization: 'kaiming',
    schedule: 'constant',
  },
  tiny: { ...narrow, steps: 500, evalInterval: 100 },
  small: { ...narrow, ngram: 4, steps: 1500, evalInterval: 250 },
  medium: { ...wide, ngram: 2, dropout: 0.1, steps: 2500, evalInterval: 250 },
  large: { ...wide, ngram: 2, dropout: 0.15, blockSize: 256, steps: 1750, evalInterval: 250 },
} as const satisfies Record<string, Config>

export type PresetName = keyof typeof presets

/**
 * A preset by name.
 * @throws ConfigError if there is no preset of that name
 */
export function preset(name: string): Config {
  const names = keysOf(presets)
  if (!isOneOf(names, name)) throw new ConfigError(`preset: got ${name}, expected one of ${names.join(', ')}`)
  return presets[name]
}
