/** Pace: how fast training is, and how long it will take. */
import type { TrainConfig } from '../config'

/** Where training stands. */
export interface Progress {
  readonly step: number
  readonly steps: number
  /** The last batch's loss, in nats. */
  readonly loss: number
  /** Tokens trained on per second, evaluation not counted. */
  readonly tokensPerSecond: number
  /** With the evaluations to come. */
  readonly secondsLeft: number
}

/** 75 -> `1:15`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = String(Math.floor(whole / 60) % 60)
  const hours = Math.floor(whole / 3600)
  return `${hours > 0 ? `${hours}:${minutes.padStart(2, '0')}` : minutes}:${String(whole % 60).padStart(2, '0')}`
}

/** A line that says where training stands. */
export function describeProgress({ step, steps, loss, tokensPerSecond, secondsLeft }: Progress): string {
  const speed = Math.round(tokensPerSecond).toLocaleString('en-US')
  return `step ${step}/${steps} | loss ${loss.toFixed(4)} | ${speed} tokens/s | ${clock(secondsLeft)} left`
}

/** How many of the last steps count. */
const lastSteps = 101

/** Times the steps and evaluations of one run. */
export class StepTimer {
  private readonly stepTimes: number[] = []
  private evaluationMs = 0

  constructor(
    private readonly config: TrainConfig,
    private readonly tokensPerStep: number,
  ) {}

  /** Makes a step and notes how long it took. */
  step<T>(make: () => T): T {
    const start = performance.now()
    const result = make()
    this.stepTimes.push(performance.now() - start)
    if (this.stepTimes.length > lastSteps) this.stepTimes.shift()
    return result
  }

  /** Makes an evaluation and notes how long it took. */
  async evaluation<T>(make: () => Promise<T>): Promise<T> {
    const start = performance.now()
    const result = await make()
    this.evaluationMs = performance.now() - start
    return result
  }

  /** The median, which steps that were traced do not move. */
  private get msPerStep(): number {
    const sorted = [...this.stepTimes].sort((a, b) => a - b)
    return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  }

  get tokensPerSecond(): number {
    return (1000 * this.tokensPerStep) / this.msPerStep
  }

  /** @param step steps made so far */
  secondsLeft(step: number): number {
    const left = this.config.steps - step
    const evaluations = Math.ceil(left / this.config.evalInterval)
    return (left * this.msPerStep + evaluations * this.evaluationMs) / 1000
  }
}
