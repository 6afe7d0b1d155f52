/** Functions that tfjs lacks or refuses to run at the edge of their range; `tf` in tf.ts has them beside tfjs's own. */
import { op } from './op'
import { type DataType, type Tensor, type TensorLike, tf } from './runtime'

/**
 * One row for each index: `onValue` at the index, `offValue` elsewhere. tfjs's refuses a depth of 1, which a mixture of one expert has.
 * @param indices int32 [...]
 * @returns [..., depth]
 */
export function oneHot(indices: Tensor | TensorLike, depth: number, onValue = 1, offValue = 0, dtype: DataType = 'int32'): Tensor {
  const numbers = indices instanceof tf.Tensor ? indices : tf.tensor(indices, undefined, 'int32')
  return tf.engine().runKernel<Tensor>('OneHot', { indices: numbers }, { depth, onValue, offValue, dtype })
}

/** GELU(x) = x * Phi(x), Phi the standard normal distribution function (Hendrycks & Gimpel 2016, section 2); exact, as PyTorch's default. */
function gelu<T extends Tensor>(x: T): T {
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1))
}

/** SiLU(x) = x * sigmoid(x), also called swish (Hendrycks & Gimpel 2016, section 2). */
function silu<T extends Tensor>(x: T): T {
  return tf.mul(x, tf.sigmoid(x))
}

/** x as a constant: nothing flows back through it (PyTorch's detach). */
function stopGradient<T extends Tensor>(x: T): T {
  return op('StopGradient', [x]) as T
}

export const additions = { oneHot, gelu, silu, stopGradient }
