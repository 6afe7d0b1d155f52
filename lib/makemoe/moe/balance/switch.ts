/**
 * The balancing loss of the Switch Transformer (Fedus et al. 2021, section 2.2, eq. 4 to 6): L = E * sum_e f_e * P_e, where f_e is the share
 * of (token, choice) pairs that ask for expert e (before drops, without a gradient) and P_e the mean probability of e over the tokens. It
 * is 1 when both are even, whatever k is; the paper's weight alpha is 0.01.
 */
import { tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'

/**
 * The Switch Transformer's balancing loss, $E \sum_e f_e P_e$: $f_e$ is the share of (token, choice) pairs that ask for expert $e$, counted
 * before drops and without a gradient, $P_e$ its mean probability over the tokens. It is 1 when both are even. Float32 scalar.
 * Source: Fedus et al. 2021, section 2.2, eq. 4.
 */
export const switchLoss: BalancingLoss = ({ demand, probabilities }) => {
  const asked = tf.cast(demand, 'float32')
  const f = tf.div(asked, tf.sum(asked)) // [E]
  const P = tf.mean(probabilities, 0) // [E]
  return tf.mul(demand.size, tf.sum(tf.mul(f, P)))
}
