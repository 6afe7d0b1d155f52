/** A finished comparison as `makemoe compare` writes it; data/compare has those that were run for this project. */

import { CheckpointError } from '../base/errors'
import type { Config } from '../makemoe/config'
import { readJson } from '../runs/checkpoint'
import type { Measurement } from './compare'
import { type SummaryRow, summarize } from './summary'

export const comparisonFormat = 'makemoe-comparison-1'

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
 * @throws CheckpointError if the file is not there, or is none
 */
export function readComparison(file: string): Comparison {
  const read = readJson(file) as (Omit<Comparison, 'rows'> & { readonly format?: string }) | null
  if (read?.format !== comparisonFormat) throw new CheckpointError(`${file} is no comparison (expected format ${comparisonFormat})`)
  const { name, config, seeds, measurements } = read
  return { name, config, seeds, measurements, rows: summarize(measurements) }
}
