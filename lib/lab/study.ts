/**
 * A comparison with what makes it fair and telling: each variant tuned first, and the reference trained at other lengths, so that a difference
 * in loss becomes a difference in time. With a folder, whatever one part trained the others find.
 */
import { ConfigError } from '../base/errors'
import { grouped } from '../base/grouped'
import { interruptSignal } from '../base/interrupt'
import type { ComparedCurve } from '../show/plot/comparison'
import { type CompareOptions, compare } from './compare'
import type { Measurement } from './measurement'
import { referenceShares, withSpeedUps } from './speed-up'
import { type SummaryRow, summarize } from './summary'
import { type Trial, tune } from './tuning'
import type { Variants } from './variants'

/** How variants are compared, tuned first or not, and beside how long the first one would train for the same loss. */
export interface StudyOptions extends CompareOptions {
  /** Each variant is tried at these multiples of its learning rate with the first seed, then compared at its best. Default: at its own. */
  readonly multiples?: readonly number[] | undefined
  /** Whether the first variant is trained at other lengths too, and the others' speed-up found from them. */
  readonly speedUp?: boolean | undefined
  /** Before each part. */
  readonly onPart?: (what: string) => void
}

/** What a study found. */
export interface Study {
  /** At the rates that they were compared at. */
  readonly variants: Variants
  readonly measurements: readonly Measurement[]
  readonly rows: readonly SummaryRow[]
  /** Empty without tuning. */
  readonly trials: readonly Trial[]
  /** The first variant's trainings of other lengths; empty without speed-ups. */
  readonly reference: readonly Measurement[]
}

/** The lengths that the reference is trained at besides the comparison's own. */
export const referenceLengths = (steps: number): number[] =>
  [...new Set(referenceShares.map((share) => Math.max(1, Math.round(share * steps))))].filter((length) => length !== steps)

/**
 * Tunes if that is wanted, compares, and trains the reference at other lengths if that is wanted.
 * @returns undefined if the signal stopped it
 * @throws ConfigError before anything is trained
 */
export async function study(variants: Variants, options: StudyOptions): Promise<Study | undefined> {
  const { multiples, speedUp = false, onPart, config, lengths = [config.steps], signal = interruptSignal() } = options
  const [steps = config.steps] = lengths
  if (speedUp && lengths.length > 1) throw new ConfigError(`speedUp: got ${lengths.length} lengths, expected one`)
  const own = { ...options, signal }
  let tuned: { readonly variants: Variants; readonly trials: readonly Trial[] } | undefined = { variants, trials: [] }
  if (multiples) {
    onPart?.('tuning')
    tuned = await tune(variants, { ...own, multiples })
  }
  if (!tuned || signal.aborted) return undefined
  onPart?.('comparing')
  const measurements = await compare(tuned.variants, own)
  if (signal.aborted) return undefined
  let reference: readonly Measurement[] = []
  if (speedUp) {
    onPart?.('training the reference at other lengths')
    const [first] = Object.entries(tuned.variants)
    const atOtherLengths = { ...own, config: { ...config, steps }, lengths: referenceLengths(steps), timing: 'none' } as const
    reference = first ? await compare({ [first[0]]: first[1] }, atOtherLengths) : []
    if (signal.aborted) return undefined
  }
  const rows = summarize(measurements)
  return { ...tuned, measurements, reference, rows: speedUp ? withSpeedUps(rows, measurements, reference) : rows }
}

/** Final losses against the length of the training, a curve for each variant and seed: what `comparisonCurves` draws of several lengths. */
export function endCurves(measurements: readonly Measurement[]): ComparedCurve[] {
  const groups = grouped(measurements, ({ variant, seed }) => JSON.stringify([variant, seed]))
  return [...groups.values()].map((group) => {
    const sorted = [...group].sort((a, b) => a.steps - b.steps)
    return { ...group[0], curve: sorted.map(({ steps, validationLoss }) => ({ step: steps, validationLoss })) }
  })
}

/** The measurements with the length in their variants' names, where there are several. */
export function namedByLength(measurements: readonly Measurement[]): Measurement[] {
  const several = new Set(measurements.map(({ steps }) => steps)).size > 1
  return measurements.map((each) => (several ? { ...each, variant: `${each.variant}, ${each.steps} steps` } : each))
}
