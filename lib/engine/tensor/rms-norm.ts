/** Root-mean-square normalization as one op on the tape, forward and backward. */
import { customGradient } from './custom-gradient'
import { type Tensor, tf } from './tf'

/** x / sqrt(mean(x^2) + eps) * gain over the last axis. x [..., C]; gain [C]. */
export function rmsNorm(x: Tensor, gain: Tensor, eps: number): Tensor {
  const rowAxes = x.shape.map((_, axis) => axis).slice(0, -1)
  return customGradient(
    [x, gain],
    (x, gain) => {
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps))
      const normal = tf.mul(x, inverse)
      return { value: tf.mul(normal, gain), save: [normal, inverse, gain] }
    },
    (dy, [normal, inverse, gain]) => {
      const dNormal = tf.mul(dy, gain)
      const across = tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true))
      return [tf.mul(inverse, tf.sub(dNormal, across)), tf.sum(tf.mul(dy, normal), rowAxes)]
    },
  )
}
