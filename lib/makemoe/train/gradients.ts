/** The gradients of a loss, their norm, and clipping them by it. */
import { op } from '../../engine/tensor/op'
import { type Scalar, type Tensor, tf, type Variable } from '../../engine/tensor/tf'

/**
 * The gradients of a loss by the given parameters, in their order. A parameter that the loss does not reach gets zeros; PyTorch would leave
 * it out of the update, weight decay included.
 * @param onUnreached called with the positions of such parameters, if there are any
 */
export function gradientsOf(
  loss: () => Tensor,
  parameters: readonly Variable[],
  onUnreached: (positions: readonly number[]) => void = () => {},
): { loss: Tensor; gradients: Tensor[] } {
  const { value, grads } = freeingOnError(() => tf.variableGrads(() => loss() as Scalar, [...parameters]))
  const unreached = parameters.flatMap(({ name }, position) => (grads[name] ? [] : [position]))
  if (unreached.length > 0) onUnreached(unreached)
  return { loss: value, gradients: parameters.map((parameter) => grads[parameter.name] ?? tf.zerosLike(parameter)) }
}

/** Frees what tfjs has saved for a backward pass that an error prevents; tfjs itself does so only after the pass. */
function freeingOnError<R>(run: () => R): R {
  try {
    return run()
  } catch (error) {
    const { state } = tf.engine()
    if (state.gradientDepth === 0) tf.dispose(state.activeTape?.map(({ saved }) => saved ?? []) ?? [])
    throw error
  }
}

/** The root of the sum of all squares; a scalar. */
export const globalNorm = (tensors: readonly Tensor[]): Tensor =>
  tf.sqrt(tf.mul(2, tf.addN(tensors.map((tensor) => op('L2Loss', [tensor])))))

/** Gradients scaled down so that their norm is at most `most`, g min(1, most / (norm + 1e-6)); PyTorch's clip_grad_norm_. */
export function clipped(gradients: readonly Tensor[], norm: Tensor, most: number): Tensor[] {
  const scale = tf.minimum(1, tf.div(most, tf.add(norm, 1e-6)))
  return gradients.map((gradient) => tf.mul(gradient, scale))
}
