/**
 * Comparing variants under equal conditions: the same text, steps, batches and evaluation, seed by seed, one training after the other.
 *
 *     const measurements = await compare({ relu: {}, swiglu: { expert: 'swiglu' } }, { config, dataset, vocabSize, seeds: [1, 2, 3] })
 *     console.log(comparisonTable(summarize(measurements)))
 *
 * With a folder, what is measured is written down as it comes (kept-measurements.ts).
 */

import { isOneOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { interruptSignal } from '../base/interrupt'
import { mean } from '../base/numbers'
import { compile } from '../engine/graph/compile'
import { createStreams, disposeStreams } from '../engine/tensor/streams'
import { type Config, validateConfig } from '../makemoe/config'
import { parseFirstRouters } from '../makemoe/moe/router/by-layer'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { buildModel } from '../runs/checkpoint'
import type { ComparedCurve } from '../show/plot/comparison'
import { KeptMeasurements } from './kept-measurements'
import { type Measurement, measureTraining, type PlannedTraining, type TrainingResult } from './measurement'
import { stepTimes, type TimingOptions } from './timing'
import { changedBy, equalConditions, type Variant, type Variants } from './variants'

/** Where a comparison stands. */
export interface ComparisonProgress {
  /** Trainings finished. */
  readonly done: number
  /** Trainings in all. */
  readonly total: number
  readonly variant: string
  readonly seed: number
  readonly step: number
  readonly steps: number
  /** Until all trainings are finished. */
  readonly secondsLeft: number
}

/** What the variants of a comparison share, and how they are trained. */
export interface CompareOptions {
  /** What all variants share: a preset, with the steps and evaluations wanted; its seed is replaced. */
  readonly config: Config
  readonly dataset: Dataset
  readonly vocabSize: number
  /** At least two tell a difference from noise. Default: the config's, and the two after it. */
  readonly seeds?: readonly number[]
  /** Steps of each training, each with its own schedule and as many evaluations. Default: the config's alone. */
  readonly lengths?: readonly number[]
  /** Default: one graph a step; the identity leaves it eager. */
  readonly compile?: Compile
  /** Where measurements are kept, one file each; a training that has one there is not made again. */
  readonly folder?: string
  /**
   * A checksum of all code that the variants' own parts come from. Without it a variant with parts is trained each time: a function's text
   * does not show what it calls or captures.
   */
  readonly partsSource?: string | undefined
  /** Default: an interrupt of the cell. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ComparisonProgress) => void
  readonly onCurve?: (curve: ComparedCurve) => void
  /** After each training. */
  readonly onTrained?: (result: TrainingResult) => void
  /** How the steps are timed when all are trained; `none`: they are not. */
  readonly timing?: Pick<TimingOptions, 'rounds' | 'steps' | 'onTurn'> | 'none'
}

/**
 * Trains every variant with every length and seed and measures it, length by length and seed by seed.
 * @returns the measurements; fewer, and without times, if the signal stopped it
 * @throws ConfigError before anything is trained, if a variant is wrong; RunError if another process uses the folder
 */
export async function compare(variants: Variants, options: CompareOptions): Promise<Measurement[]> {
  const { folder, config, compile: compileStep = compile, onTrained, onCurve, signal = interruptSignal() } = options
  const { seeds = [config.seed, config.seed + 1, config.seed + 2], lengths = [config.steps] } = options
  const wrong = [config.steps, ...lengths].find((steps) => !(Number.isInteger(steps) && steps >= 1))
  if (wrong !== undefined) throw new ConfigError(`steps: got ${wrong}, expected an integer of at least 1`)
  const plansOf = (steps: number, seed: number): PlannedTraining[] =>
    Object.entries(variants).map(([name, variant]) => planned(name, variant, { ...ofLength(config, steps), seed }))
  const plans = lengths.flatMap((steps) => seeds.flatMap((seed) => plansOf(steps, seed)))
  const firstSeed = plans.slice(0, Object.keys(variants).length)
  for (const plan of firstSeed) tryOut(plan, options.vocabSize)
  const kept = folder === undefined ? undefined : new KeptMeasurements(folder, { ...options, compile: compileStep })
  const unlock = kept?.lock()
  const results: TrainingResult[] = []
  const train = makeTrainer(plans, kept, { ...options, compile: compileStep, signal })
  try {
    for (const plan of plans) {
      const result = kept?.find(plan) ?? (await train(plan))
      if (!result) break
      results.push(result)
      onCurve?.(result)
      onTrained?.(result)
      if (signal.aborted) break
    }
    const { onTurn, ...timing } = options.timing === 'none' ? {} : { ...options.timing }
    const measure = (): Promise<Record<string, number> | undefined> =>
      stepTimes(variants, { ...options, ...timing, ...(onTurn ? { onTurn } : {}), signal })
    const times =
      signal.aborted || options.timing === 'none' ? undefined : await (kept ? kept.times(firstSeed, timing, measure) : measure())
    return results.map((result) => ({ ...result, millisecondsPerStep: times?.[result.variant] ?? Number.NaN }))
  } finally {
    unlock?.()
  }
}

/**
 * Checks variants without training any.
 * @throws ConfigError that names the variant
 */
export function checkVariants(variants: Variants, { config, vocabSize }: Pick<CompareOptions, 'config' | 'vocabSize'>): void {
  for (const [name, variant] of Object.entries(variants)) tryOut(planned(name, variant, config), vocabSize)
}

/** Makes the function that trains, keeps the result, and reports how far the whole comparison is. */
function makeTrainer(
  plans: readonly PlannedTraining[],
  kept: KeptMeasurements | undefined,
  options: CompareOptions & { readonly compile: Compile; readonly signal: AbortSignal },
): (plan: PlannedTraining) => Promise<TrainingResult | undefined> {
  const durations: number[] = [] // seconds of the trainings so far
  return async (plan) => {
    const done = plans.indexOf(plan)
    const missing = plans.slice(done + 1).filter((each) => !kept?.has(each)).length
    const start = performance.now()
    const seconds = (): number => (performance.now() - start) / 1000
    const result = await measureTraining(plan, {
      ...options,
      onProgress: ({ step, steps, secondsLeft }) => {
        const perTraining = durations.length > 0 ? mean(durations) : seconds() + secondsLeft
        const standing = { done, total: plans.length, variant: plan.name, seed: plan.config.seed, step, steps }
        options.onProgress?.({ ...standing, secondsLeft: secondsLeft + missing * perTraining })
      },
    })
    if (!result) return undefined
    durations.push(seconds())
    kept?.keep(plan, result)
    return result
  }
}

/** The config for a training of another length, with as many evaluations. */
const ofLength = (config: Config, steps: number): Config => ({
  ...config,
  steps,
  evalInterval: Math.max(1, Math.ceil((config.evalInterval * steps) / config.steps)),
})

/** A training, its config checked. */
function planned(name: string, variant: Variant, shared: Config): PlannedTraining {
  const changed = Object.keys(variant).find((field) => isOneOf(equalConditions, field))
  if (changed !== undefined) throw new ConfigError(`variant ${name}: got ${changed}, expected it in the config that all variants share`)
  if (variant.parts?.tokenizer) throw new ConfigError(`variant ${name}: got a tokenizer, expected none: all variants learn the same tokens`)
  return { name, variant, config: inVariant(name, () => validateConfig(changedBy(shared, variant))) }
}

/** Adds the variant's name to a ConfigError. */
function inVariant<Result>(name: string, make: () => Result): Result {
  try {
    return make()
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`variant ${name}: ${error.message}`)
    throw error
  }
}

/** Builds one layer of a variant, for what only its parts can refuse, such as a switch router with two choices. */
function tryOut({ name, variant, config }: PlannedTraining, vocabSize: number): void {
  inVariant(name, () => {
    const streams = createStreams(config.seed)
    try {
      const nLayer = Math.min(config.nLayer, parseFirstRouters(config.firstRouters ?? 'none').length + 1) // a layer of each kind
      buildModel({ ...config, nLayer }, vocabSize, streams.init, variant.parts).dispose()
    } finally {
      disposeStreams(streams)
    }
  })
}
