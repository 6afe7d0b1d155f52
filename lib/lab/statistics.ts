/**
 * What three seeds can show: means, spread, and differences between variants that share their seeds. Variants are compared in pairs, seed by
 * seed, since what a seed does to one variant (its data, its first weights) it mostly does to the other, too.
 */

import { mean } from '../base/numbers'

/** The median, the lower of two; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
}

/** The value below which a share of the numbers lies, the upper of two; NaN of none. */
export const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN

/** Entropy in nats of counts or weights, made to sum to 1. */
export function entropyOf(weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.reduce((sum, weight) => (weight > 0 ? sum - (weight / total) * Math.log(weight / total) : sum), 0)
}

/** The standard deviation of a sample (n - 1 below the line); NaN with fewer than two values. */
export function deviation(values: readonly number[]): number {
  const center = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1))
}

/** The coefficient of variation of a whole: the standard deviation (n below the line) by the mean; 0 of a single value. */
export function variation(values: readonly number[]): number {
  const center = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2))) / center
}

/** Student's t, 97.5 % quantile, for 1 to 10 degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228] as const

/**
 * How many standard errors the mean of a sample is off at most in 95 of 100 cases (Student's t, two-sided). Beyond 10 degrees of freedom
 * the value of 10 is kept, which is on the safe side.
 * @param degrees of freedom: one less than there are values
 */
export function criticalT(degrees: number): number {
  return degrees < 1 ? Number.POSITIVE_INFINITY : (quantiles[Math.min(degrees, quantiles.length) - 1] ?? Number.NaN)
}

/** The difference between two variants over the seeds that both have. */
export interface PairedDifference {
  /** Mean of (variant - baseline). */
  readonly mean: number
  /** Its standard error; NaN with one seed. */
  readonly standardError: number
  /** Whether zero lies inside the 95 % interval, or there are too few seeds to say. */
  readonly withinNoise: boolean
}

/** @param differences variant minus baseline, one for each seed */
export function pairedDifference(differences: readonly number[]): PairedDifference {
  const center = mean(differences)
  const standardError = deviation(differences) / Math.sqrt(differences.length)
  const withinNoise = !(Math.abs(center) > criticalT(differences.length - 1) * standardError)
  return { mean: center, standardError, withinNoise }
}
