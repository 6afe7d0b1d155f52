/** Brings a schedule to an optimizer. */
import { tf } from '../../engine/tensor/tf'
import type { TrainConfig } from '../config'
import type { Optimizer } from '../optim/optimizer'
import { rateOf, type Schedule, schedules } from './schedule'

/**
 * Sets an optimizer's learning rate for a step; a constant one without a warm-up is left alone, and may be changed by hand.
 * @returns the rate that counts: the schedule's, or the one set by hand
 * @throws ConfigError if the schedule gives no learning rate
 */
export function setRate(optimizer: Optimizer, schedule: Schedule, step: number, config: TrainConfig): number {
  const rate = rateOf(schedule, step, { ...config, learningRate: optimizer.initialRate })
  if (schedule === schedules.constant && config.warmup === undefined) {
    const [held = rate] = optimizer.learningRate.dataSync()
    return held === Math.fround(rate) ? rate : held
  }
  tf.tidy(() => optimizer.learningRate.assign(tf.scalar(rate)))
  return rate
}
