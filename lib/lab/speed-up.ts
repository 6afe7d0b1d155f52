/**
 * The effective speed-up: how much longer the reference would have to train to the loss that a variant reached. The reference's loss after n
 * steps is known from trainings of its own of a quarter, half, once and twice the steps, since under a falling learning rate the middle of a
 * long run is not the end of a short one. Between them the loss is linear in log n: the line passes through what was measured, where a power
 * law a + b n^-c has three numbers to find from four noisy points. Beyond the longest, the last slope goes on; as losses flatten, the true
 * number of steps is then larger.
 */
import { at } from '../base/assertions'
import { mean } from '../base/numbers'
import type { Measurement, TrainingResult } from './measurement'
import { deviation } from './statistics'
import type { SpeedUp, StepsToLoss, SummaryRow } from './summary'

/** The reference's own trainings, as shares of the comparison's steps; the whole is there already. */
export const referenceShares: readonly number[] = [0.25, 0.5, 2]

/** How far the last slope is trusted, as a multiple of the longest training. */
const reach = 2

/**
 * The steps after which a curve reaches a loss: linear in log n between its points, of which the first that is low enough counts.
 * @param points at least two, in the order of their steps
 */
export function stepsToLoss(points: readonly { readonly steps: number; readonly loss: number }[], loss: number): StepsToLoss {
  const first = at(points, 0)
  const longest = at(points, points.length - 1)
  if (loss > first.loss) return { steps: first.steps, place: 'below' }
  const crossing = (from: typeof first, to: typeof first): number =>
    Math.exp(Math.log(from.steps) + ((from.loss - loss) / (from.loss - to.loss)) * Math.log(to.steps / from.steps))
  const next = points.findIndex((point) => point.loss <= loss)
  if (next === 0) return { steps: first.steps, place: 'measured' }
  if (next > 0) return { steps: crossing(at(points, next - 1), at(points, next)), place: 'measured' }
  const before = at(points, points.length - 2)
  const steps = before.loss > longest.loss ? crossing(before, longest) : Number.POSITIVE_INFINITY
  return steps <= reach * longest.steps ? { steps, place: 'extrapolated' } : { steps: reach * longest.steps, place: 'beyond' }
}

const places: readonly StepsToLoss['place'][] = ['measured', 'extrapolated', 'below', 'beyond']

/**
 * The rows with their speed-ups, seed by seed, over the seeds that have all of the reference's trainings.
 * @param measurements of the comparison, of one length; the first variant is the reference
 * @param reference its trainings of other lengths
 */
export function withSpeedUps(
  rows: readonly SummaryRow[],
  measurements: readonly Measurement[],
  reference: readonly TrainingResult[],
): SummaryRow[] {
  const [base] = rows
  if (!base) return []
  const all: TrainingResult[] = [...measurements.filter(({ variant }) => variant === base.variant), ...reference]
  const lengths = new Set(all.map(({ steps }) => steps)).size
  const curveOf = (seed: number): { steps: number; loss: number }[] =>
    all
      .filter((each) => each.seed === seed)
      .map(({ steps, validationLoss }) => ({ steps, loss: validationLoss }))
      .sort((a, b) => a.steps - b.steps)
  return rows.map((row) => {
    const found = measurements
      .filter(({ variant }) => variant === row.variant)
      .flatMap(({ seed, steps, validationLoss }) => {
        const curve = curveOf(seed)
        if (curve.length < Math.max(2, lengths)) return []
        const { steps: needed, place } = stepsToLoss(curve, validationLoss)
        return [{ ratio: needed / steps, place }]
      })
    if (found.length === 0) return row
    const place = found.map((each) => each.place).reduce((worst, each) => (places.indexOf(each) > places.indexOf(worst) ? each : worst))
    const over = (factor: number): SpeedUp => {
      const ratios = found.map(({ ratio }) => ratio * factor)
      return { mean: mean(ratios), spread: deviation(ratios), place }
    }
    return { ...row, speedUp: { inSteps: over(1), inSeconds: over(base.millisecondsPerStep / row.millisecondsPerStep) } }
  })
}
