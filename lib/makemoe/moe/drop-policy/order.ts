/** The original's drop policy: an expert serves the first tokens of the batch, and later sequences starve. */
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'

/** Token by token, each token's first choice before its second. */
export function inOrder(gates: Tensor): Tensor {
  const [N, K] = matrixShape(gates, 'drop policy: gates')
  return tf.tensor1d(Int32Array.from({ length: N * K }, (_, i) => (i % K) * N + Math.floor(i / K)))
}
