/** Whether weights are worth keeping: finite, and with a finite loss. What a step computes is the loss before its update. */
import { TrainingError } from '../../base/errors'
import { describeLargest, findNotFinite, stateDictOf } from './state-dict'
import type { Trainable } from './step'

/**
 * Checks a model's weights after a number of steps.
 * @param lossOf the loss of some fixed windows, in nats; computed only if every weight is finite
 * @throws TrainingError that names the step and a weight
 */
export function checkWeights(model: Trainable, step: number, lossOf: () => number): void {
  const weights = stateDictOf(model)
  const problem = findNotFinite(weights)
  if (problem !== undefined) throw new TrainingError(`after ${step} steps a weight is not finite: ${problem}`)
  const loss = lossOf()
  if (!Number.isFinite(loss))
    throw new TrainingError(`after ${step} steps the validation loss is ${loss}; the largest weight is ${describeLargest(weights)}`)
}
