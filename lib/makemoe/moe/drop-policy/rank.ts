/**
 * All first choices before any second choice, and among equals the larger gate first (GShard, 2006.16668, section 2.2, orders by choice;
 * the gate breaks ties fairly between positions in the batch).
 */
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'

/** By choice, then by gate. */
export function byRank(gates: Tensor): Tensor {
  const [N, K] = matrixShape(gates, 'drop policy: gates')
  // Gates are at most 1, so a step of 2 between the ranks keeps them apart.
  const ranks = tf.mul(tf.range(0, K, 1, 'float32'), -2)
  return tf.topk(tf.reshape(tf.transpose(tf.add(gates, ranks)), [N * K]), N * K).indices
}
