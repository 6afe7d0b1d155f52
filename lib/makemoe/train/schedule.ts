/** How the learning rate moves over a run: config field `schedule`, option `--schedule`. A new one is a function and a line in the table. */
import { ConfigError } from '../../base/errors'

/** What a schedule knows of its run. */
export interface ScheduleConfig {
  /** The learning rate at its highest. */
  readonly learningRate: number
  readonly steps: number
  /** Steps over which it rises; absent: the schedule's own. */
  readonly warmup?: number | undefined
  /** What a schedule that falls ends at; absent: a tenth of the highest, for `linear` 0. */
  readonly finalLearningRate?: number | undefined
}

/** The learning rate of a step. @param step counted from 0 */
export type Schedule = (step: number, config: ScheduleConfig) => number

/** Steps over which a schedule that falls rises at first, at most; a tenth of a short run. */
const warmupSteps = 100
/** What it ends at, as a share of the learning rate. */
const lastShare = 0.1
/** The share of the steps in which `wsd` decays. */
const decayShare = 0.2

const usualWarmup = ({ steps, warmup = Math.min(warmupSteps, Math.floor(steps / 10)) }: ScheduleConfig): number => warmup
/** A linear rise to the learning rate, which the last of the steps of the warm-up has. */
const rising = (step: number, warmup: number, { learningRate }: ScheduleConfig): number => (learningRate * (step + 1)) / warmup

/** The same rate for all steps, as the original; after a rise only if the config asks for one. */
const constant: Schedule = (step, config) => (step < (config.warmup ?? 0) ? rising(step, config.warmup ?? 0, config) : config.learningRate)

/** A linear rise over the warm-up, then what is given. */
const afterRise =
  (then: (step: number, warmup: number, config: ScheduleConfig) => number): Schedule =>
  (step, config) => {
    const warmup = usualWarmup(config)
    return step < warmup ? rising(step, warmup, config) : then(step, warmup, config)
  }

/** How far a step is on the way from another one to the end of the run: 0 to 1. */
const shareSince = (step: number, start: number, { steps }: ScheduleConfig): number =>
  Math.min(1, Math.max(0, step - start) / Math.max(1, steps - start))

/** A linear rise, then half a cosine down to a tenth (Loshchilov & Hutter 2017, eq. 5, without restarts). */
const cosine = afterRise((step, warmup, config) => {
  const { learningRate, finalLearningRate } = config
  const last = finalLearningRate === undefined ? lastShare : finalLearningRate / learningRate
  return learningRate * (last + ((1 - last) * (1 + Math.cos(Math.PI * shareSince(step, warmup, config)))) / 2)
})

/** A linear rise, then a linear fall to 0, or to what the config says (Bergsma et al. 2025, Straight to Zero, 2502.15938, section 2). */
const linear = afterRise((step, warmup, config) => {
  const { learningRate, finalLearningRate = 0 } = config
  return learningRate + shareSince(step, warmup, config) * (finalLearningRate - learningRate)
})

/** Warm-up, stable, decay: a linear rise, the full rate, and in the last fifth a linear fall (Hu et al. 2024, MiniCPM, 2404.06395, section 4.2). */
const wsd = afterRise((step, warmup, config) => {
  const { learningRate, steps, finalLearningRate = lastShare * learningRate } = config
  const start = Math.max(warmup, Math.round(steps * (1 - decayShare)))
  return learningRate + shareSince(step, start, config) * (finalLearningRate - learningRate)
})

/**
 * The schedules of the learning rate by name: config field `schedule`. `constant`; `cosine`, a linear rise, then half a cosine down to a tenth
 * (Loshchilov & Hutter 2017, eq. 5); `linear`, a linear rise, then a linear fall to 0 (Bergsma et al. 2025, 2502.15938);
 * `wsd`, a linear rise, the full rate, and in the last fifth a linear fall to a tenth (Hu et al. 2024, 2404.06395, section 4.2).
 */
export const schedules = { constant, cosine, linear, wsd } as const satisfies Record<string, Schedule>

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
