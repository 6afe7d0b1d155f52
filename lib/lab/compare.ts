/**
 * Comparing variants under equal conditions: the same text, steps, batches and evaluation, seed by seed, one training after the other.
 *
 *     const measurements = await compare({ relu: {}, swiglu: { expert: 'swiglu' } }, { config, dataset, vocabSize, seeds: [1, 2, 3] })
 *     console.log(comparisonTable(summarize(measurements)))
 *
 * With a folder, what is measured is written down as it comes, so that a comparison that was stopped or killed continues where it was.
 */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isOneOf } from '../base/assertions'
import { ConfigError, RunError, TrainingError } from '../base/errors'
import { lockFile, writeFileAtomic } from '../base/files'
import { interruptSignal } from '../base/interrupt'
import { compile } from '../engine/graph/compile'
import { createStreams, disposeStreams } from '../engine/tensor/streams'
import { type Config, validateConfig } from '../makemoe/config'
import type { Dataset } from '../makemoe/text/dataset'
import { exactLoss, makeLossSum } from '../makemoe/train/evaluate'
import type { Metric } from '../makemoe/train/metrics'
import type { Progress } from '../makemoe/train/pace'
import type { Compile } from '../makemoe/train/trainer'
import { buildModel, readJson } from '../runs/checkpoint'
import type { ComparedCurve } from '../show/plot/comparison'
import { flopsPerToken } from './flops'
import { mean, variation } from './statistics'
import { stepTimes, type TimingOptions } from './timing'
import { openTraining } from './training'
import { changedBy, equalConditions, type Variant, type Variants } from './variants'

/** What an evaluation found; losses in nats. */
export interface CurvePoint {
  readonly step: number
  readonly trainLoss: number
  readonly validationLoss: number
}

/** What one training found. */
type Trained = Omit<Measurement, 'millisecondsPerStep'>

/** One training of one variant. */
export interface Measurement {
  readonly variant: string
  readonly seed: number
  readonly steps: number
  readonly tokensPerStep: number
  /** Exact, over the whole validation split, in nats. */
  readonly validationLoss: number
  readonly curve: readonly CurvePoint[]
  /** Measured in turns with the other variants when all were trained (`stepTimes`), evaluation not counted. */
  readonly millisecondsPerStep: number
  readonly parameters: number
  readonly activeParameters: number
  /** Forward. */
  readonly flopsPerToken: number
  /** Standard deviation of the experts' load by its mean, over the last quarter of training; mean of the layers. Absent: no reports. */
  readonly loadVariation?: number
  /** Share of the (token, choice) pairs that were dropped, likewise. */
  readonly dropped: number
  /** Whether the experts choose tokens, later ones too: the loss is then not comparable. */
  readonly looksAhead: boolean
}

/** Where a comparison stands. */
export interface ComparisonProgress {
  /** Trainings finished, of how many. */
  readonly done: number
  readonly of: number
  readonly variant: string
  readonly seed: number
  readonly step: number
  readonly steps: number
  /** Of the whole comparison. */
  readonly secondsLeft: number
}

export interface CompareOptions {
  /** What all variants share: a preset, with the steps and evaluations wanted; its seed is replaced. */
  readonly config: Config
  readonly dataset: Dataset
  readonly vocabSize: number
  /** At least two tell a difference from noise. Default: the config's, and the two after it. */
  readonly seeds?: readonly number[]
  /** Default: one graph a step; the identity leaves it eager. */
  readonly compile?: Compile
  /** Where measurements are kept, one file each; a training that has one there is not made again. */
  readonly folder?: string
  /** Default: an interrupt of the cell. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: ComparisonProgress) => void
  readonly onCurve?: (curve: ComparedCurve) => void
  /** After each training. */
  readonly onTrained?: (trained: Trained) => void
  /** How the steps are timed when all are trained. */
  readonly timing?: Pick<TimingOptions, 'rounds' | 'steps' | 'onTurn'>
}

/** A training that is to be made, and all that decides its result. */
interface Training {
  readonly name: string
  readonly variant: Variant
  readonly config: Config
  readonly file: string | undefined
}

/**
 * Trains every variant with every seed and measures it, seed by seed.
 * @returns the measurements; fewer, and without times, if the signal stopped it
 * @throws ConfigError before anything is trained, if a variant is wrong; RunError if another process uses the folder
 */
export async function compare(variants: Variants, options: CompareOptions): Promise<Measurement[]> {
  const { folder, config, onTrained, onCurve, onProgress, signal = interruptSignal() } = options
  const { seeds = [config.seed, config.seed + 1, config.seed + 2] } = options
  const text = folder === undefined ? '' : fingerprint(options.dataset)
  const trainings = seeds.flatMap((seed) => Object.entries(variants).map(([name, variant]) => planned(name, variant, seed, options, text)))
  for (const training of trainings.slice(0, Object.keys(variants).length)) tryOut(training, options.vocabSize)
  const unlock = folder === undefined ? () => {} : lock(folder)
  const trained: Trained[] = []
  const durations: number[] = []
  try {
    for (const [done, training] of trainings.entries()) {
      const { name, config, file } = training
      let one = kept(file, name)
      if (!one) {
        const left = trainings.slice(done + 1).filter(({ file }) => !isKept(file)).length
        const start = performance.now()
        one = await train(training, { ...options, signal }, ({ step, steps, secondsLeft }) => {
          const whole = durations.length > 0 ? mean(durations) : (performance.now() - start) / 1000 + secondsLeft
          onProgress?.({
            done,
            of: trainings.length,
            variant: name,
            seed: config.seed,
            step,
            steps,
            secondsLeft: secondsLeft + left * whole,
          })
        })
        if (!one) break
        durations.push((performance.now() - start) / 1000)
        if (file !== undefined) writeFileAtomic(file, `${JSON.stringify(one)}\n`)
      }
      trained.push(one)
      onCurve?.(one)
      onTrained?.(one)
      if (signal.aborted) break
    }
    const timed = (): Promise<Record<string, number> | undefined> => stepTimes(variants, { ...options, ...options.timing, signal })
    const times = signal.aborted ? undefined : await keptTimes(variants, trainings, timed)
    return trained.map((one) => ({ ...one, millisecondsPerStep: times?.[one.variant] ?? Number.NaN }))
  } finally {
    unlock()
  }
}

/** Step times are kept like trainings, by what was timed and not by its name. */
async function keptTimes(
  variants: Variants,
  trainings: readonly Training[],
  measure: () => Promise<Record<string, number> | undefined>,
): Promise<Record<string, number> | undefined> {
  const names = Object.keys(variants)
  const files = trainings.slice(0, names.length).flatMap(({ file }) => file ?? [])
  const [first] = files
  if (first === undefined) return measure()
  const key = createHash('sha256')
    .update(files.map((file) => basename(file)).join())
    .digest('hex')
  const file = join(dirname(first), `times-${key.slice(0, 24)}.json`)
  if (isKept(file)) {
    const values = readJson(file) as number[]
    return Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN]))
  }
  const times = await measure()
  if (times) writeFileAtomic(file, `${JSON.stringify(names.map((name) => times[name]))}\n`)
  return times
}

/** The text that a dataset was made from. */
function fingerprint({ splits }: Dataset): string {
  const hash = createHash('sha256')
  for (const split of Object.values(splits)) hash.update(split)
  return hash.digest('hex')
}

/** A training, its config checked; its file is named by all that decides the result. Parts by value count by their source text. */
function planned(name: string, variant: Variant, seed: number, { config: shared, folder }: CompareOptions, text: string): Training {
  const changed = Object.keys(variant).find((field) => isOneOf(equalConditions, field))
  if (changed !== undefined) throw new ConfigError(`variant ${name}: got ${changed}, expected it in the config that all variants share`)
  const config = inVariant(name, () => validateConfig({ ...changedBy(shared, variant), seed }))
  if (folder === undefined) return { name, variant, config, file: undefined }
  const source = JSON.stringify([config, variant.parts, text], (_, value: unknown) => (typeof value === 'function' ? String(value) : value))
  const file = join(folder, 'measurements', `${createHash('sha256').update(source).digest('hex').slice(0, 24)}.json`)
  return { name, variant, config, file }
}

/** Says which variant an error is of. */
function inVariant<Result>(name: string, make: () => Result): Result {
  try {
    return make()
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`variant ${name}: ${error.message}`)
    throw error
  }
}

const isKept = (file: string | undefined): file is string => file !== undefined && existsSync(file)

function kept(file: string | undefined, name: string): Trained | undefined {
  if (!isKept(file)) return undefined
  return { ...(readJson(file) as Trained), variant: name } // its name is no part of a training
}

function lock(folder: string): () => void {
  writeFileAtomic(join(folder, 'README'), 'Made by npm run compare; measurements/ has a file for each training, which is not made again.\n')
  const unlock = lockFile(join(folder, 'lock'))
  if (!unlock) throw new RunError(`another process is comparing in ${folder}`)
  return unlock
}

/** Builds one layer of a variant, for what only its parts can refuse: a switch router with two choices, say. */
function tryOut({ name, variant, config }: Training, vocabSize: number): void {
  inVariant(name, () => {
    const streams = createStreams(config.seed)
    try {
      buildModel({ ...config, nLayer: 1 }, vocabSize, streams.init, variant.parts).dispose()
    } finally {
      disposeStreams(streams)
    }
  })
}

/** One training and its exact loss; undefined if it was stopped. Whatever it made is freed. */
async function train(
  { name, variant, config }: Training,
  options: CompareOptions,
  tell: (progress: Progress) => void,
): Promise<Trained | undefined> {
  const { dataset, compile: compileStep = compile, onCurve, signal } = options
  const { seed, steps } = config
  const tokensPerStep = config.batchSize * config.blockSize
  const curve: CurvePoint[] = []
  const reports: Metric[] = []
  const { trainer, model, streams, dispose } = openTraining(config, variant, options, {
    compile: compileStep,
    reportInterval: Math.max(1, Math.min(10, Math.floor(steps / 20))),
    ...(signal ? { signal } : {}),
    onMetric: ({ step, train_loss: trainLoss, val_loss: validationLoss, ...others }) => {
      if (trainLoss !== undefined && validationLoss !== undefined) {
        curve.push({ step, trainLoss, validationLoss })
        onCurve?.({ variant: name, seed, curve })
      } else if (step >= 0.75 * steps) reports.push({ step, ...others })
    },
    onProgress: tell,
  })
  const lossSum = compileStep(makeLossSum(model, { training: false, streams }))
  try {
    if (!(await trainer.run())) return undefined
    const { nats } = exactLoss(lossSum, dataset)
    const loads = reported(reports, 'load')
    const dropped = reported(reports, 'dropped').flat()
    return {
      variant: name,
      seed,
      steps,
      tokensPerStep,
      validationLoss: nats,
      curve,
      parameters: model.parameterCount(),
      activeParameters: model.activeParameterCount(),
      flopsPerToken: flopsPerToken(model),
      ...(loads.length > 0 ? { loadVariation: mean(loads.map(variation)) } : {}),
      dropped: dropped.length > 0 ? mean(dropped) / (tokensPerStep * config.topK) : 0,
      looksAhead: model.looksAhead(),
    }
  } catch (error) {
    if (error instanceof TrainingError) throw new TrainingError(`variant ${name}, seed ${seed}: ${error.message}`)
    throw error
  } finally {
    if ('dispose' in lossSum && typeof lossSum.dispose === 'function') lossSum.dispose()
    dispose()
  }
}

/** What the layers reported as `routing/layer_L/<what>`: for each layer the means over the reports, one number for each expert (or one). */
function reported(reports: readonly Metric[], what: string): number[][] {
  const layers: { sum: number; count: number }[][] = []
  for (const [name, value] of reports.flatMap((metric) => Object.entries(metric))) {
    const [, layer, at = '0'] = new RegExp(`^routing/layer_(\\d+)/${what}(?:_(\\d+))?$`).exec(name) ?? []
    if (layer === undefined || value === undefined) continue
    layers[Number(layer)] ??= []
    const means = layers[Number(layer)] ?? []
    const { sum, count } = means[Number(at)] ?? { sum: 0, count: 0 }
    means[Number(at)] = { sum: sum + value, count: count + 1 }
  }
  return layers.map((means) => means.map(({ sum, count }) => sum / count))
}
