/** Metrics: numbers by name, and the step they belong to. Whatever a part reports arrives here under its own name. */
import type { Tensor } from '../../engine/tensor/tf'

/** One row of a run's metrics. Losses are in nats. */
export interface Metric {
  readonly step: number
  /** The batch's loss, every step: the mean cross-entropy alone. */
  readonly loss?: number
  /** With auxiliary losses: what was minimized, `loss` and every `loss/<name>`. */
  readonly objective?: number
  /** An evaluation. */
  readonly train_loss?: number
  readonly val_loss?: number
  /** Every `reportInterval`-th step: learning_rate, gradient_norm, tokens_per_second, and what the parts report, such as layer_0/entropy. */
  readonly [name: string]: number | undefined
}

/**
 * Reads tensors as numbers by name: a scalar is `name`, a vector `name_0`, `name_1`, ...
 * The tensors are disposed of.
 */
export function readNumbers(tensors: Readonly<Record<string, Tensor>>): Record<string, number> {
  const numbers: Record<string, number> = {}
  for (const [name, tensor] of Object.entries(tensors)) {
    const values = tensor.dataSync()
    for (const [i, value] of values.entries()) numbers[tensor.rank === 0 ? name : `${name}_${i}`] = value
    tensor.dispose()
  }
  return numbers
}

/** A number over training: its value at each step that reported it. */
export interface Reported {
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/** Collects rows of metrics by name. */
export class Reports {
  private readonly series = new Map<string, { steps: number[]; values: number[] }>()

  add({ step, ...numbers }: Metric): void {
    for (const [name, value] of Object.entries(numbers)) {
      if (value === undefined) continue
      const reported = this.series.get(name) ?? { steps: [], values: [] }
      this.series.set(name, reported)
      reported.steps.push(step)
      reported.values.push(value)
    }
  }

  /** What was reported, by name. */
  get byName(): ReadonlyMap<string, Reported> {
    return this.series
  }
}

/** Which numbers of a step are not finite: the loss, and the first report in the order of the forward pass, if the step reported. */
export function notFinite(step: number, numbers: Readonly<Record<string, number>>): string {
  const isLoss = (name: string): boolean => /^(loss|objective)(\/|$)/.test(name) || name === 'gradient_norm'
  const wrong = Object.entries(numbers).filter(([, value]) => !Number.isFinite(value))
  const first = wrong.find(([name]) => !isLoss(name))
  const [name, value] = wrong.find(([name]) => isLoss(name)) ?? ['loss', Number.NaN]
  return `${name} of step ${step} is ${value}${first ? `; the first report that is not finite is ${first[0]}` : ''}`
}
