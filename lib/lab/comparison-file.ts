/** A finished comparison as `makemoe compare` writes it; data/compare has those that were run for this project. */

import { z } from 'zod'
import { CheckpointError } from '../base/errors'
import type { Config } from '../makemoe/config'
import { readJson } from '../runs/checkpoint'
import { type Measurement, type TrainingResult, trainingResultSchema } from './measurement'
import { withSpeedUps } from './speed-up'
import { type SummaryRow, summarize } from './summary'
import type { Trial } from './tuning'

export const comparisonFormat = 'makemoe-comparison-1'

const schema = z.object({
  format: z.literal(comparisonFormat),
  name: z.string(),
  config: z.custom<Config>((config) => z.object({ steps: z.number(), seed: z.number() }).safeParse(config).success, 'expected a config'),
  seeds: z.array(z.number()),
  measurements: z.array(trainingResultSchema.extend({ millisecondsPerStep: z.number() })),
  trials: z
    .array(z.object({ variant: z.string(), learningRate: z.number(), seed: z.number(), validationLoss: z.number().optional() }))
    .default([]),
  reference: z.array(trainingResultSchema).default([]),
})

/** A comparison as its file holds it: what was shared, every training, and the table's rows. */
export interface Comparison {
  readonly name: string
  readonly config: Config
  readonly seeds: readonly number[]
  readonly measurements: readonly Measurement[]
  /** What tuning tried; empty where it was not asked for. */
  readonly trials: readonly Trial[]
  /** The first variant's trainings of other lengths, which speed-ups come from; empty without them. */
  readonly reference: readonly TrainingResult[]
  /** A row for each variant, made anew from the measurements. */
  readonly rows: readonly SummaryRow[]
}

/**
 * Reads a comparison.
 * @throws CheckpointError if the file is missing or not a comparison, with the first field that is wrong
 */
export function readComparison(file: string): Comparison {
  const parsed = schema.safeParse(readJson(file))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue && issue.path.length > 0 ? ` at ${issue.path.join('.')}` : ''
    throw new CheckpointError(`${file} is no comparison (expected format ${comparisonFormat}; ${issue?.message}${where})`)
  }
  const { measurements, reference } = parsed.data
  const rows = summarize(measurements)
  const { format: _, ...comparison } = parsed.data
  return { ...comparison, rows: reference.length > 0 ? withSpeedUps(rows, measurements, reference) : rows }
}
