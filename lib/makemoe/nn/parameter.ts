/** Parameters and buffers: the variables that a module holds. */
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'

/** A parameter and its dotted name. */
export type NamedParameter = readonly [name: string, parameter: Variable]

/** Whether a property is a parameter or a buffer. */
export const isVariable = (value: unknown): value is Variable => value instanceof tf.Variable

/** A parameter that starts at the given value; the name is left to tfjs, so that a cell can be run twice. */
export function parameter(value: Tensor): Variable {
  const variable = tf.variable(value, true)
  value.dispose()
  return variable
}

/** A state that the optimizer leaves alone and checkpoints keep (PyTorch's buffer): it is assigned by its module. */
export function buffer(value: Tensor): Variable {
  const variable = tf.variable(value, false)
  value.dispose()
  return variable
}

/** Gives a parameter new numbers, in its own layout. */
export function assignParameter(variable: Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)))
}
