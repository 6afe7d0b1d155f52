/** One training of one variant under the conditions that a comparison sets, and what is measured of it. */
import { z } from 'zod'
import { at } from '../base/assertions'
import { TrainingError } from '../base/errors'
import { mean } from '../base/numbers'
import type { Config } from '../makemoe/config'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { exactLoss, makeLossSum } from '../makemoe/train/evaluate'
import { type Reported, Reports } from '../makemoe/train/metrics'
import type { Progress } from '../makemoe/train/pace'
import type { ComparedCurve } from '../show/plot/comparison'
import { ChurnProbe } from './churn'
import { flopsPerToken } from './flops'
import { type LookAhead, lookAhead } from './look-ahead'
import { variation } from './statistics'
import { openTraining } from './training'
import type { Variant } from './variants'

/** What an evaluation found; losses in nats. */
export interface CurvePoint {
  readonly step: number
  readonly trainLoss: number
  readonly validationLoss: number
  /** Share of the choices for the same text that changed since the evaluation before; absent at the first, and where nothing routes. */
  readonly churn?: number | undefined
}

/** One training of one variant. */
export interface Measurement {
  readonly variant: string
  readonly seed: number
  readonly steps: number
  /** The learning rate at its highest; absent in comparisons of earlier versions. */
  readonly learningRate?: number | undefined
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
  readonly loadVariation?: number | undefined
  /** Share of the (token, choice) pairs that were dropped, likewise. */
  readonly dropped: number
  /** Whether the experts choose tokens, later ones too: the loss is then not comparable. */
  readonly looksAhead: boolean
  /** What it is then, in nats, over some of the split: with all characters of a window there, and with those before each alone. */
  readonly lookAhead?: LookAhead | undefined
}

/** What is known of a variant when its training ends: all but the step time. */
export type TrainingResult = Omit<Measurement, 'millisecondsPerStep'>

const count = z.number().int().min(0)

/** As `TrainingResult`, for files. */
export const trainingResultSchema = z.object({
  variant: z.string(),
  seed: count,
  steps: count,
  learningRate: z.number().optional(),
  tokensPerStep: count,
  validationLoss: z.number(),
  curve: z.array(z.object({ step: count, trainLoss: z.number(), validationLoss: z.number(), churn: z.number().optional() })),
  parameters: count,
  activeParameters: z.number(),
  flopsPerToken: z.number(),
  loadVariation: z.number().optional(),
  dropped: z.number(),
  looksAhead: z.boolean(),
  lookAhead: z.object({ parallel: z.number(), oneByOne: z.number() }).optional(),
}) satisfies z.ZodType<TrainingResult>

/** A training that a comparison makes; its config has the variant's changes, and the seed. */
export interface PlannedTraining {
  readonly name: string
  readonly variant: Variant
  readonly config: Config
}

export interface MeasureTrainingOptions {
  readonly dataset: Dataset
  readonly vocabSize: number
  readonly compile: Compile
  readonly signal?: AbortSignal | undefined
  readonly onCurve?: ((curve: ComparedCurve) => void) | undefined
  readonly onProgress?: (progress: Progress) => void
}

/**
 * Trains, and measures the exact loss. Whatever it made is freed.
 * @returns undefined if the signal stopped it
 * @throws TrainingError that names the variant and the seed
 */
export async function measureTraining(
  { name, variant, config }: PlannedTraining,
  options: MeasureTrainingOptions,
): Promise<TrainingResult | undefined> {
  const { dataset, onCurve, signal, onProgress } = options
  const { seed, steps, learningRate } = config
  const tokensPerStep = config.batchSize * config.blockSize
  const curve: CurvePoint[] = []
  const reports = new Reports()
  const { trainer, model, streams, dispose } = openTraining(config, variant, options, {
    compile: options.compile,
    reportInterval: Math.max(1, Math.min(10, Math.floor(steps / 20))),
    signal,
    onMetric: ({ step, train_loss: trainLoss, val_loss: validationLoss, ...others }) => {
      if (trainLoss !== undefined && validationLoss !== undefined) {
        const churn = probe?.look()
        curve.push({ step, trainLoss, validationLoss, ...(churn === undefined ? {} : { churn }) })
        onCurve?.({ variant: name, seed, curve })
      } else if (step >= 0.75 * steps) reports.add({ step, ...others })
    },
    ...(onProgress ? { onProgress } : {}),
  })
  const ctx = { training: false, streams }
  const lossSum = options.compile(makeLossSum(model, ctx))
  const probe = config.numExperts > 1 ? new ChurnProbe(model, dataset, streams, options.compile) : undefined
  try {
    if (!(await trainer.run())) return undefined
    const looksAhead = model.looksAhead()
    const ahead = looksAhead ? await lookAhead(model, dataset, { ctx, compile: options.compile, signal }) : undefined
    if (looksAhead && !ahead) return undefined
    const loads = reported(reports.byName, 'load')
    const dropped = reported(reports.byName, 'dropped').flat()
    return {
      variant: name,
      seed,
      steps,
      learningRate,
      tokensPerStep,
      validationLoss: exactLoss(lossSum, dataset).nats,
      curve,
      parameters: model.parameterCount(),
      activeParameters: model.activeParameterCount(),
      flopsPerToken: flopsPerToken(model),
      ...(loads.length > 0 ? { loadVariation: mean(loads.map(variation)) } : {}),
      dropped: dropped.length > 0 ? (mean(dropped) * (config.accumulate ?? 1)) / (tokensPerStep * config.topK) : 0,
      looksAhead,
      ...(ahead ? { lookAhead: ahead } : {}),
    }
  } catch (error) {
    if (error instanceof TrainingError) throw new TrainingError(`variant ${name}, seed ${seed}: ${error.message}`)
    throw error
  } finally {
    lossSum.dispose?.()
    probe?.dispose()
    dispose()
  }
}

/** What the layers reported as `routing/layer_L/<what>`: for each layer the means over the reports, one number for each expert (or one). */
function reported(reports: ReadonlyMap<string, Reported>, what: string): number[][] {
  const pattern = new RegExp(`^routing/layer_(\\d+)/${what}(?:_(\\d+))?$`)
  const layers: number[][] = []
  for (const [name, { values }] of reports) {
    const [, layer, expert = '0'] = pattern.exec(name) ?? []
    if (layer === undefined) continue
    layers[Number(layer)] ??= []
    at(layers, Number(layer))[Number(expert)] = mean(values)
  }
  return layers
}
