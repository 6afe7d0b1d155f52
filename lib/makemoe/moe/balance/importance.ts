/**
 * The importance loss (Shazeer et al. 2017, section 4, eq. 6 and 7): L = CV(Importance)^2, where an expert's importance is the sum of its
 * gates over the batch, and CV the standard deviation (of the population) by the mean. 0 when all experts have the same importance.
 */
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { BalancingLoss } from '../contracts'

/** The square of the coefficient of variation, with the population's variance: float32 [E] -> scalar. */
export function squaredVariation(x: Tensor): Tensor {
  const mean = tf.mean(x)
  return tf.div(tf.mean(tf.square(tf.sub(x, mean))), tf.square(mean))
}

export const importanceLoss: BalancingLoss = ({ allGates }) => squaredVariation(tf.sum(allGates, 0))
