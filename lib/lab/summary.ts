/** What a comparison found: a row for each variant, and the table that a person reads. */

import { grouped } from '../base/grouped'
import { mean } from '../base/numbers'
import { clock } from '../makemoe/train/pace'
import { meanChurn } from './churn'
import type { ComparisonProgress } from './compare'
import type { Measurement } from './measurement'
import { deviation, median, type PairedDifference, pairedDifference } from './statistics'
import { aligned, describeDifference, describeRate, digits } from './table'

/** Where a loss lies on a curve of losses against steps. */
export interface StepsToLoss {
  readonly steps: number
  /** `below`: it was reached before the shortest training; `extrapolated`: beyond the longest; `beyond`: out of reach. The steps are then a bound. */
  readonly place: 'measured' | 'below' | 'extrapolated' | 'beyond'
}

/** A speed-up over the seeds. */
export interface SpeedUp {
  readonly mean: number
  /** Standard deviation over the seeds; NaN with one. */
  readonly spread: number
  /** The least certain of the seeds. */
  readonly place: StepsToLoss['place']
}

/** How many times faster a variant is than the reference. */
export interface SpeedUps {
  readonly inSteps: SpeedUp
  readonly inSeconds: SpeedUp
}

/** One variant over its seeds; losses in nats. Of what each training measured it has the mean, of the time the median. */
export interface SummaryRow
  extends Pick<
    Measurement,
    | 'variant'
    | 'steps'
    | 'learningRate'
    | 'validationLoss'
    | 'millisecondsPerStep'
    | 'parameters'
    | 'activeParameters'
    | 'flopsPerToken'
    | 'loadVariation'
    | 'dropped'
    | 'looksAhead'
    | 'lookAhead'
  > {
  readonly seeds: number
  /** Share of the choices for the same text that changed from one evaluation to the next, mean of the training. */
  readonly churn?: number
  /** Standard deviation over the seeds; NaN with one seed. */
  readonly spread: number
  /** From the first variant's row of the same length, over the seeds that both have; absent in that row itself. */
  readonly difference?: PairedDifference
  /** How much faster than the first variant it reached its loss; absent where that was not asked. */
  readonly speedUp?: SpeedUps
  /** Whether every loss of every seed is the first row's, to the last bit: what the variant changes has no part in its training. */
  readonly identical: boolean
}

/**
 * A row for each variant, or for each variant and length where there are several, in the order of the measurements; differences are from the
 * first variant, seed by seed.
 */
export function summarize(measurements: readonly Measurement[]): SummaryRow[] {
  const groups = grouped(measurements, ({ steps, variant }) => JSON.stringify([steps, variant]))
  const first = measurements[0]?.variant
  const severalLengths = new Set(measurements.map(({ steps }) => steps)).size > 1
  return [...groups.values()].map((own): SummaryRow => {
    const [{ variant, steps, learningRate }] = own
    const base = new Map(measurements.flatMap((each) => (each.variant === first && each.steps === steps ? [[each.seed, each]] : [])))
    const isFirst = variant === first
    const losses = own.map(({ validationLoss }) => validationLoss)
    const pairs = own.flatMap((measurement) => {
      const other = base.get(measurement.seed)
      return other ? [[measurement, other] as const] : []
    })
    const churns = own.flatMap(({ curve }) => meanChurn(curve) ?? [])
    const ahead = own.flatMap(({ lookAhead }) => lookAhead ?? [])
    const loads = own.flatMap(({ loadVariation }) => loadVariation ?? [])
    const meanOf = (pick: (measurement: Measurement) => number): number => mean(own.map(pick))
    return {
      variant: severalLengths ? `${variant}, ${steps} steps` : variant,
      steps,
      learningRate,
      seeds: own.length,
      validationLoss: mean(losses),
      spread: deviation(losses),
      ...(isFirst
        ? {}
        : { difference: pairedDifference(pairs.map(([{ validationLoss }, other]) => validationLoss - other.validationLoss)) }),
      identical: !isFirst && pairs.length > 0 && pairs.every(([measurement, other]) => haveSameLosses(measurement, other)),
      millisecondsPerStep: median(own.map(({ millisecondsPerStep }) => millisecondsPerStep)),
      parameters: meanOf(({ parameters }) => parameters),
      activeParameters: meanOf(({ activeParameters }) => activeParameters),
      flopsPerToken: meanOf(({ flopsPerToken }) => flopsPerToken),
      ...(loads.length > 0 ? { loadVariation: mean(loads) } : {}),
      dropped: meanOf(({ dropped }) => dropped),
      looksAhead: own.some(({ looksAhead }) => looksAhead),
      ...(churns.length > 0 ? { churn: mean(churns) } : {}),
      ...(ahead.length > 0
        ? { lookAhead: { parallel: mean(ahead.map(({ parallel }) => parallel)), oneByOne: mean(ahead.map(({ oneByOne }) => oneByOne)) } }
        : {}),
    }
  })
}

const haveSameLosses = (a: Measurement, b: Measurement): boolean =>
  a.validationLoss === b.validationLoss && JSON.stringify(a.curve) === JSON.stringify(b.curve)

/** A speed-up, with a sign for a bound and one for what is extrapolated. */
function describeSpeedUp({ mean: ratio, spread, place }: SpeedUp): string {
  const sign = { measured: '', extrapolated: '~', below: '< ', beyond: '> ' }[place]
  return `${sign}${digits(ratio, 2)} ± ${digits(spread, 2)}`
}

/** The columns of the table: what stands above, and what a row has there. A column of which no row knows anything is left out. */
const columns: readonly (readonly [header: string, cell: (row: SummaryRow) => string | undefined])[] = [
  ['variant', (row) => (row.looksAhead ? `${row.variant} *` : row.variant)],
  ['validation loss', (row) => `${digits(row.validationLoss, 4)} ± ${digits(row.spread, 4)}`],
  ['bits', (row) => digits(row.validationLoss / Math.LN2, 4)],
  ['difference', describeDifference],
  ['rate', ({ learningRate }) => (learningRate === undefined ? undefined : describeRate(learningRate))],
  ['speed-up in steps', ({ speedUp }) => speedUp && describeSpeedUp(speedUp.inSteps)],
  ['in seconds', ({ speedUp }) => speedUp && describeSpeedUp(speedUp.inSeconds)],
  ['ms/step', (row) => digits(row.millisecondsPerStep, 1)],
  ['active M', (row) => digits(row.activeParameters / 1e6, 3)],
  ['total M', (row) => digits(row.parameters / 1e6, 3)],
  ['MFLOP/token', (row) => digits(row.flopsPerToken / 1e6, 2)],
  ['load CV', (row) => (row.loadVariation === undefined ? '-' : digits(row.loadVariation, 2))],
  ['churn %', ({ churn }) => (churn === undefined ? undefined : digits(100 * churn, 1))],
  ['dropped %', (row) => digits(100 * row.dropped, 1)],
]

/** The rows as text, and below them which differences are within noise. */
export function comparisonTable(rows: readonly SummaryRow[]): string {
  const shown = columns.filter(([, cell]) => rows.some((row) => cell(row) !== undefined))
  const lines = [shown.map(([header]) => header), ...rows.map((row) => shown.map(([, cell]) => cell(row) ?? '-'))]
  const severalLengths = new Set(rows.map(({ steps }) => steps)).size > 1
  const seeds = Math.min(...rows.map((row) => row.seeds))
  const names = (choose: (row: SummaryRow) => boolean | undefined): string =>
    rows
      .filter(choose)
      .map(({ variant }) => variant)
      .join('; ')
  const within = (noise: boolean): string => names(({ difference, identical }) => difference?.withinNoise === noise && !identical) || 'none'
  const identical = names((row) => row.identical)
  const notes = [
    `validation loss in nats per character, exact over the whole split: mean ± standard deviation over ${seeds} seed${seeds === 1 ? '' : 's'}; bits: the mean in bits per character; difference from the first row${severalLengths ? ' of the same length' : ''}, seed by seed: mean ± its standard error`,
    seeds < 2
      ? 'one seed cannot tell a difference from noise'
      : `beyond noise (95 %, Student's t): ${within(false)}\nwithin noise, which is not to say equal (more --seeds tell more, and train only what is missing): ${within(true)}`,
    ...(rows.some(({ speedUp }) => speedUp)
      ? [
          `speed-up: how much longer ${rows[0]?.variant} trains to the same loss, by its own trainings of other lengths, in between linear in the logarithm of the steps: mean ± standard deviation over the seeds; ~ beyond its longest, <, > a bound`,
        ]
      : []),
    ...(identical === ''
      ? []
      : [`identical to ${rows[0]?.variant} to the last bit (what they change has no part in this training): ${identical}`]),
    ...(rows.some(({ looksAhead }) => looksAhead)
      ? ['* looks at later characters too, in evaluation as well: its loss is not comparable']
      : []),
    ...rows.flatMap(({ variant, lookAhead }) =>
      lookAhead
        ? [
            `${variant}, over some windows: ${digits(lookAhead.parallel, 4)} with each whole, ${digits(lookAhead.oneByOne, 4)} one character after the other, as it would have to write`,
          ]
        : [],
    ),
    ...(rows.some(({ churn }) => churn !== undefined)
      ? ['churn: share of the choices for the same text that changed from one evaluation to the next, mean of the training']
      : []),
  ]
  return `${aligned(lines)}\n\n${notes.join('\n')}`
}

/** A line that says where a comparison stands. */
export function describeComparison({ done, total, variant, seed, step, steps, secondsLeft }: ComparisonProgress): string {
  return `training ${done + 1} of ${total}: ${variant}, seed ${seed} | step ${step}/${steps} | ${clock(secondsLeft)} left`
}
