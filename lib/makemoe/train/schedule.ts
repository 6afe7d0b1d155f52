/** How the learning rate moves over a run: config field `schedule`, option `--schedule`. A new one is a function and a line in the table. */
import { ConfigError } from '../../base/errors'

/** What a schedule knows of its run. */
export interface ScheduleConfig {
  /** The learning rate at its highest. */
  readonly learningRate: number
  readonly steps: number
}

/** The learning rate of a step, which is counted from 0. */
export type Schedule = (step: number, config: ScheduleConfig) => number

/** Steps over which a cosine schedule rises, at most; a tenth of a short run. */
const warmupSteps = 100
/** What a cosine schedule ends at, as a share of the learning rate. */
const lastShare = 0.1

/** The same rate for all steps, as the original. */
const constant: Schedule = (_step, { learningRate }) => learningRate

/** A linear rise, then half a cosine down to a tenth (Loshchilov & Hutter 2017, eq. 5, without restarts). */
const cosine: Schedule = (step, { learningRate, steps }) => {
  const warmup = Math.min(warmupSteps, Math.floor(steps / 10))
  if (step < warmup) return (learningRate * (step + 1)) / warmup
  const share = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
  return learningRate * (lastShare + ((1 - lastShare) * (1 + Math.cos(Math.PI * share))) / 2)
}

/** The schedules of the learning rate by name: config field `schedule`; each gives the rate of a step. */
export const schedules = { constant, cosine } as const satisfies Record<string, Schedule>

/**
 * The rate of a step.
 * @throws ConfigError if the schedule does not give one
 */
export function rateOf(schedule: Schedule, step: number, config: ScheduleConfig): number {
  const rate = schedule(step, config)
  if (!(rate >= 0 && rate < Number.POSITIVE_INFINITY))
    throw new ConfigError(`schedule: got the learning rate ${rate} for step ${step}, expected a number >= 0`)
  return rate
}
