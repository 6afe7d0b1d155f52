/**
 * The sequence-wise balancing loss (DeepSeek-V3, 2412.19437, section 2.1.2, eq. 17 to 20): for each sequence of T tokens sum_e f_e * P_e,
 * where f_e = E / (K T) * the number of its tokens that chose e (without a gradient) and P_e the mean over its tokens of the normalized
 * probability of e; then the mean over the sequences. 1 when every sequence is balanced; the paper's weight is 0.0001. Where a token may have
 * any number of experts (expert choice), K is their mean.
 */
import { matrixShape } from '../../../engine/tensor/shape'
import { tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'

export const sequenceLoss: BalancingLoss = ({ experts, probabilities, tokens }) => {
  const [N] = matrixShape(experts, 'sequence loss: experts')
  const [, E] = matrixShape(probabilities, 'sequence loss: probabilities')
  const T = tokens.at(-1) ?? N
  const bySequence = [N / T, T, E]
  const chosen = tf.sum(tf.oneHot(experts, E, 1, 0, 'float32'), 1) // [N, E]
  const counts = tf.sum(tf.reshape(chosen, bySequence), 1) // [N / T, E]
  const f = tf.div(tf.mul(counts, (E * N) / T), tf.sum(chosen)) // N K choices in all
  const P = tf.mean(tf.reshape(probabilities, bySequence), 1) // [N / T, E]
  return tf.mean(tf.sum(tf.mul(f, P), -1))
}
