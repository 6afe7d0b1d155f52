/** One training step: the loss, its gradients, the update. Plain tensors in, a tensor out, so that it can be compiled as it is. */
import { type Scalar, type Tensor, tf, type Variable } from '../tensor/tf'
import type { Optimizer } from './adamw'

/** The loss of a batch; x and y int32 [B, T]. */
export type Loss = (x: Tensor, y: Tensor) => Tensor

/**
 * The gradients of a loss by the given parameters, in their order. A parameter that the loss does not reach gets zeros; PyTorch would leave
 * it out of the update, weight decay included.
 */
export function gradientsOf(loss: () => Tensor, parameters: readonly Variable[]): { loss: Tensor; gradients: Tensor[] } {
  const { value, grads } = tf.variableGrads(() => loss() as Scalar, [...parameters])
  return { loss: value, gradients: parameters.map((parameter) => grads[parameter.name] ?? tf.zerosLike(parameter)) }
}

/** A step that trains `parameters` and returns the batch's loss, a scalar. */
export function makeTrainStep(loss: Loss, parameters: readonly Variable[], optimizer: Optimizer): Loss {
  return (x, y) =>
    tf.tidy(() => {
      const result = gradientsOf(() => loss(x, y), parameters)
      optimizer.apply(result.gradients)
      return result.loss
    })
}
