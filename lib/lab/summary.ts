/** What a comparison found: a row for each variant, and the table that a person reads. */

import { mean } from '../base/numbers'
import { clock } from '../makemoe/train/pace'
import type { ComparisonProgress } from './compare'
import type { Measurement } from './measurement'
import { deviation, median, type PairedDifference, pairedDifference } from './statistics'

/** One variant over its seeds; losses in nats. Of what each training measured it has the mean, of the time the median. */
export interface SummaryRow
  extends Pick<
    Measurement,
    | 'variant'
    | 'validationLoss'
    | 'millisecondsPerStep'
    | 'parameters'
    | 'activeParameters'
    | 'flopsPerToken'
    | 'loadVariation'
    | 'dropped'
    | 'looksAhead'
  > {
  readonly seeds: number
  /** Standard deviation over the seeds; NaN with one seed. */
  readonly spread: number
  /** From the first row, over the seeds that both have; absent in the first row. */
  readonly difference?: PairedDifference
  /** Whether every loss of every seed is the first row's, to the last bit: what the variant changes has no part in its training. */
  readonly identical: boolean
}

/** A row for each variant, in the order of the measurements; differences are from the first variant, seed by seed. */
export function summarize(measurements: readonly Measurement[]): SummaryRow[] {
  const variants = new Map<string, Measurement[]>()
  for (const measurement of measurements) variants.set(measurement.variant, [...(variants.get(measurement.variant) ?? []), measurement])
  const [first = []] = variants.values()
  const baseline = new Map(first.map((measurement) => [measurement.seed, measurement]))
  return [...variants].map(([variant, runs], i): SummaryRow => {
    const losses = runs.map(({ validationLoss }) => validationLoss)
    const pairs = runs.flatMap((measurement) => {
      const base = baseline.get(measurement.seed)
      return base ? [[measurement, base] as const] : []
    })
    const loads = runs.flatMap(({ loadVariation }) => loadVariation ?? [])
    const meanOf = (pick: (measurement: Measurement) => number): number => mean(runs.map(pick))
    return {
      variant,
      seeds: runs.length,
      validationLoss: mean(losses),
      spread: deviation(losses),
      ...(i > 0 ? { difference: pairedDifference(pairs.map(([{ validationLoss }, base]) => validationLoss - base.validationLoss)) } : {}),
      identical: i > 0 && pairs.length > 0 && pairs.every(([measurement, base]) => haveSameLosses(measurement, base)),
      millisecondsPerStep: median(runs.map(({ millisecondsPerStep }) => millisecondsPerStep)),
      parameters: meanOf(({ parameters }) => parameters),
      activeParameters: meanOf(({ activeParameters }) => activeParameters),
      flopsPerToken: meanOf(({ flopsPerToken }) => flopsPerToken),
      ...(loads.length > 0 ? { loadVariation: mean(loads) } : {}),
      dropped: meanOf(({ dropped }) => dropped),
      looksAhead: runs.some(({ looksAhead }) => looksAhead),
    }
  })
}

const haveSameLosses = (a: Measurement, b: Measurement): boolean =>
  a.validationLoss === b.validationLoss && JSON.stringify(a.curve) === JSON.stringify(b.curve)

const digits = (value: number, count: number): string => (Number.isFinite(value) ? value.toFixed(count) : '-')
const signed = (value: number): string => `${value < 0 ? '' : '+'}${digits(value, 4)}`

function describeDifference({ difference, identical }: SummaryRow): string {
  if (!difference) return ''
  return identical ? 'identical' : `${signed(difference.mean)} ± ${digits(difference.standardError, 4)}`
}

/** Columns of equal width: the first to the left, the others to the right. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '))
    .join('\n')
}

/** The rows as text, and below them which differences are within noise. */
export function comparisonTable(rows: readonly SummaryRow[]): string {
  const header = [
    'variant',
    'validation loss',
    'bits',
    'difference',
    'ms/step',
    'active M',
    'total M',
    'MFLOP/token',
    'load CV',
    'dropped %',
  ]
  const lines = rows.map((row) => [
    row.looksAhead ? `${row.variant} *` : row.variant,
    `${digits(row.validationLoss, 4)} ± ${digits(row.spread, 4)}`,
    digits(row.validationLoss / Math.LN2, 4),
    describeDifference(row),
    digits(row.millisecondsPerStep, 1),
    digits(row.activeParameters / 1e6, 3),
    digits(row.parameters / 1e6, 3),
    digits(row.flopsPerToken / 1e6, 2),
    row.loadVariation === undefined ? '-' : digits(row.loadVariation, 2),
    digits(100 * row.dropped, 1),
  ])
  const seeds = Math.min(...rows.map((row) => row.seeds))
  const names = (choose: (row: SummaryRow) => boolean | undefined): string =>
    rows
      .filter(choose)
      .map(({ variant }) => variant)
      .join('; ')
  const within = (noise: boolean): string => names(({ difference, identical }) => difference?.withinNoise === noise && !identical) || 'none'
  const identical = names((row) => row.identical)
  const notes = [
    `validation loss in nats per character, exact over the whole split: mean ± standard deviation over ${seeds} seed${seeds === 1 ? '' : 's'}; bits: the mean in bits per character; difference from the first row, seed by seed: mean ± its standard error`,
    seeds < 2
      ? 'one seed cannot tell a difference from noise'
      : `beyond noise (95 %, Student's t): ${within(false)}\nwithin noise, which is not to say equal (more --seeds tell more, and train only what is missing): ${within(true)}`,
    ...(identical === ''
      ? []
      : [`identical to ${rows[0]?.variant} to the last bit (what they change has no part in this training): ${identical}`]),
    ...(rows.some(({ looksAhead }) => looksAhead)
      ? ['* looks at later characters too, in evaluation as well: its loss is not comparable']
      : []),
  ]
  return `${aligned([header, ...lines])}\n\n${notes.join('\n')}`
}

/** A line that says where a comparison stands. */
export function describeComparison({ done, total, variant, seed, step, steps, secondsLeft }: ComparisonProgress): string {
  return `training ${done + 1} of ${total}: ${variant}, seed ${seed} | step ${step}/${steps} | ${clock(secondsLeft)} left`
}
