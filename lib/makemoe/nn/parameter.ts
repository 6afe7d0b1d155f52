/** Parameters and buffers: the variables that a module holds. */
import { CheckpointError } from '../../base/errors'
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

/** The largest integer up to which float32, in which a checkpoint keeps all numbers, has every integer. */
const largestInteger = 2 ** 24

/** @throws CheckpointError if these are integers, and float32 may not have them */
function requireExact(dtype: string, values: ArrayLike<number>, name: string): void {
  if (dtype !== 'int32') return
  const bad = Array.from(values).find((value) => !(Number.isInteger(value) && Math.abs(value) <= largestInteger))
  if (bad !== undefined)
    throw new CheckpointError(`${name}: got ${bad}, expected integers up to ${largestInteger}, which a checkpoint keeps exactly`)
}

/**
 * The numbers of a variable as a checkpoint keeps them.
 * @throws CheckpointError if they are integers that it could not keep
 */
export function numbersOf([name, variable]: NamedParameter): Float32Array {
  const values = variable.dataSync()
  requireExact(variable.dtype, values, name)
  return Float32Array.from(values)
}

/**
 * Numbers of a checkpoint as a variable takes them, in its shape and type.
 * @throws CheckpointError if it takes integers, and these are none or may have lost digits
 */
export function tensorFor(variable: Variable, values: Float32Array): Tensor {
  requireExact(variable.dtype, values, `a variable of type int32 and shape [${variable.shape.join(', ')}]`)
  return tf.tensor(values, variable.shape, variable.dtype)
}

/**
 * Gives a parameter new numbers, in its own layout and type.
 * @throws CheckpointError if it takes integers, and these are none or may have lost digits
 */
export function assignParameter(variable: Variable, values: Float32Array): void {
  tf.tidy(() => variable.assign(tensorFor(variable, values)))
}
