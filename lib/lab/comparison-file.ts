/** A finished comparison as `makemoe compare` writes it; data/compare has those that were run for this project. */

import { z } from 'zod'
import { CheckpointError } from '../base/errors'
import type { Config } from '../makemoe/config'
import { readJson } from '../runs/checkpoint'
import { type Measurement, trainingResultSchema } from './measurement'
import { type SummaryRow, summarize } from './summary'

export const comparisonFormat = 'makemoe-comparison-1'

const schema = z.object({
  format: z.literal(comparisonFormat),
  name: z.string(),
  config: z.custom<Config>((config) => z.object({ steps: z.number(), seed: z.number() }).safeParse(config).success, 'expected a config'),
  seeds: z.array(z.number()),
  measurements: z.array(trainingResultSchema.extend({ millisecondsPerStep: z.number() })),
})

/** A comparison as its file holds it: what was shared, every training, and the table's rows. */
export interface Comparison {
  readonly name: string
  readonly config: Config
  readonly seeds: readonly number[]
  readonly measurements: readonly Measurement[]
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
  const { name, config, seeds, measurements } = parsed.data
  return { name, config, seeds, measurements, rows: summarize(measurements) }
}
