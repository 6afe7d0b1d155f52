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
  /** Every `reportInterval`-th step: learning_rate, gradient_norm, tokens_per_second, and what the parts report: layer_0/entropy, say. */
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
