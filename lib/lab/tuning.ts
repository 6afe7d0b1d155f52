/**
 * Tuning the learning rate: each variant at several, so that variants are compared each at its best. A comparison at one rate measures whom
 * that rate suits. The rates are tried with one seed, since the curve of a loss against its rate is flat at its lowest point.
 */
import { ConfigError, TrainingError } from '../base/errors'
import { interruptSignal } from '../base/interrupt'
import { type CompareOptions, checkVariants, compare } from './compare'
import { aligned, describeRate } from './table'
import { scaledRate, usualMultiples, type Variant, type Variants } from './variants'

/** One variant at one rate. */
export interface Trial {
  readonly variant: string
  readonly learningRate: number
  readonly seed: number
  /** Nats; absent where training diverged. */
  readonly validationLoss?: number | undefined
}

export interface TuneOptions extends Omit<CompareOptions, 'timing' | 'lengths'> {
  /** Default: `usualMultiples`. */
  readonly multiples?: readonly number[]
  /** Before each training. */
  readonly onTrial?: (trial: {
    readonly variant: string
    readonly learningRate: number
    readonly done: number
    readonly total: number
  }) => void
}

/**
 * Trains each variant at each rate with the first seed. With a folder, `compare` then finds the trainings at the best rates there.
 * @returns the variants, each with the rate of its lowest loss, and all trials; undefined if the signal stopped it
 * @throws ConfigError before anything is trained, if a variant is wrong; TrainingError if a variant diverges at every rate
 */
export async function tune(
  variants: Variants,
  { multiples = usualMultiples, onTrial, ...options }: TuneOptions,
): Promise<{ readonly variants: Variants; readonly trials: readonly Trial[] } | undefined> {
  const { config, seeds = [config.seed], signal = interruptSignal() } = options
  const [seed = config.seed] = seeds
  const wrong = multiples.find((multiple) => !(multiple > 0 && Number.isFinite(multiple)))
  if (multiples.length === 0 || wrong !== undefined) throw new ConfigError(`multiples: got ${wrong ?? 'none'}, expected numbers above 0`)
  const planned = Object.entries(variants).flatMap(([name, variant]) =>
    multiples.map((multiple) => ({
      name,
      variant: { ...variant, learningRate: scaledRate(variant.learningRate ?? config.learningRate, multiple) },
    })),
  )
  for (const { name, variant } of planned) checkVariants({ [name]: variant }, options)
  const trials: Trial[] = []
  for (const [done, { name, variant }] of planned.entries()) {
    const { learningRate } = variant
    onTrial?.({ variant: name, learningRate, done, total: planned.length })
    const validationLoss = await lossOf(name, variant, { ...options, seeds: [seed], lengths: [config.steps], signal })
    if (validationLoss === 'stopped') return undefined
    trials.push({ variant: name, learningRate, seed, validationLoss })
  }
  return { variants: atTheirBest(variants, trials), trials }
}

/** The loss at one rate; undefined if training diverged. */
async function lossOf(name: string, variant: Variant, options: Omit<CompareOptions, 'timing'>): Promise<number | undefined | 'stopped'> {
  try {
    const [measurement] = await compare({ [name]: variant }, { ...options, timing: 'none' })
    if (!measurement) return 'stopped'
    return Number.isFinite(measurement.validationLoss) ? measurement.validationLoss : undefined
  } catch (error) {
    if (error instanceof TrainingError) return undefined
    throw error
  }
}

/** The trial of the lowest loss; of equal ones the first. */
function bestOf(variant: string, trials: readonly Trial[]): Trial {
  const finite = trials.filter((trial) => trial.variant === variant && trial.validationLoss !== undefined)
  const [first, ...others] = finite
  if (!first) throw new TrainingError(`variant ${variant}: training diverged at every learning rate that was tried`)
  return others.reduce((best, trial) => ((trial.validationLoss ?? 0) < (best.validationLoss ?? 0) ? trial : best), first)
}

const atTheirBest = (variants: Variants, trials: readonly Trial[]): Variants =>
  Object.fromEntries(
    Object.entries(variants).map(([name, variant]) => [name, { ...variant, learningRate: bestOf(name, trials).learningRate }]),
  )

/** The trials as text: a row for each variant, a column for each rate; the lowest loss has a star, and two where a further rate may be lower. */
export function tuningTable(trials: readonly Trial[]): string {
  const names = [...new Set(trials.map(({ variant }) => variant))]
  const rates = [...new Set(trials.map(({ learningRate }) => learningRate))].sort((a, b) => a - b)
  const rows = names.map((name) => {
    const own = trials.filter(({ variant }) => variant === name)
    const best = bestOf(name, trials).learningRate
    const ends = [Math.min(...own.map(({ learningRate }) => learningRate)), Math.max(...own.map(({ learningRate }) => learningRate))]
    const cell = (rate: number): string => {
      const trial = own.find(({ learningRate }) => learningRate === rate)
      if (!trial) return ''
      const mark = rate !== best ? '  ' : ends.includes(rate) && own.length > 1 ? '**' : '* '
      return `${trial.validationLoss?.toFixed(4) ?? 'diverged'}${mark}`
    }
    return [name, ...rates.map(cell)]
  })
  const notes = [
    '* the lowest, which is the rate that the variant is compared at',
    '** so, and at the end of the range: a further rate may be lower',
  ]
  return `${aligned([['validation loss at the rate', ...rates.map((rate) => `${describeRate(rate)}  `)], ...rows])}\n\n${notes.join('\n')}`
}
