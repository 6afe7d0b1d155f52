/** How the learning rate moves over a run. */
import type { TrainConfig } from '../config'

/** Steps over which a cosine schedule rises, at most; a tenth of a short run. */
const warmupSteps = 100
/** What a cosine schedule ends at, as a share of the learning rate. */
const lastShare = 0.1

/**
 * The learning rate of a step.
 * - `constant`: as the original.
 * - `cosine`: a linear rise, then half a cosine down to a tenth (Loshchilov & Hutter 2017, eq. 5, without restarts).
 * @param step counted from 0
 */
export function learningRateAt(step: number, { learningRate, schedule, steps }: TrainConfig): number {
  if (schedule === 'constant') return learningRate
  const warmup = Math.min(warmupSteps, Math.floor(steps / 10))
  if (step < warmup) return (learningRate * (step + 1)) / warmup
  const share = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
  return learningRate * (lastShare + ((1 - lastShare) * (1 + Math.cos(Math.PI * share))) / 2)
}
