/** Layer normalization as one op on the tape, forward and backward, which is a third of the ops of the plain chain. */
import { customGradient } from './custom-gradient'
import { type Tensor, tf } from './tf'

/** (x - mean) / sqrt(variance + eps) * gain + bias over the last axis. x [..., C]; gain, bias [C]. */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, eps: number): Tensor {
  const rowAxes = x.shape.map((_, axis) => axis).slice(0, -1)
  return customGradient(
    [x, gain, bias],
    (x, gain, bias) => {
      const centered = tf.sub(x, tf.mean(x, -1, true))
      const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), eps))
      const normal = tf.mul(centered, inverseDeviation)
      return { value: tf.add(tf.mul(normal, gain), bias), save: [normal, inverseDeviation, gain] }
    },
    (dy, [normal, inverseDeviation, gain]) => {
      const dNormal = tf.mul(dy, gain)
      const along = tf.mean(dNormal, -1, true)
      const across = tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true))
      const dx = tf.mul(inverseDeviation, tf.sub(tf.sub(dNormal, along), across))
      return [dx, tf.sum(tf.mul(dy, normal), rowAxes), tf.sum(dy, rowAxes)]
    },
  )
}
