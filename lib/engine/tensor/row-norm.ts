/** Normalizations of rows as one op on the tape, forward and backward, which is a third of the ops of the plain chain. */
import { ShapeError } from '../../base/errors'
import { customGradient } from './custom-gradient'
import { type Tensor, tf } from './tf'

/** Rows divided by the root of their mean square, and one over it. */
function unitRows(rows: Tensor, eps: number): [normal: Tensor, inverse: Tensor] {
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(rows), -1, true), eps))
  return [tf.mul(rows, inverse), inverse]
}

/** The part of a gradient that goes along the normal rows, which the division takes out. */
const alongNormal = (dNormal: Tensor, normal: Tensor): Tensor => tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true))

/** All axes but the last; a gain of another size would be broadcast in silence, or fail in TensorFlow's words. */
function rowAxesOf(what: string, x: Tensor, gain: Tensor): number[] {
  const [size] = gain.shape
  if (x.shape.at(-1) !== size) throw new ShapeError(`${what}: got shape [${x.shape.join(', ')}], expected rows of ${size}`)
  return x.shape.map((_, axis) => axis).slice(0, -1)
}

/** (x - mean) / sqrt(variance + eps) * gain + bias over the last axis. x [..., C]; gain, bias [C]. @throws ShapeError */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, eps: number): Tensor {
  const rowAxes = rowAxesOf('LayerNorm', x, gain)
  return customGradient(
    [x, gain, bias],
    (x, gain, bias) => {
      const [normal, inverse] = unitRows(tf.sub(x, tf.mean(x, -1, true)), eps)
      return { value: tf.add(tf.mul(normal, gain), bias), save: [normal, inverse, gain] }
    },
    (dy, [normal, inverse, gain]) => {
      const dNormal = tf.mul(dy, gain)
      const centered = tf.sub(dNormal, tf.mean(dNormal, -1, true))
      const dx = tf.mul(inverse, tf.sub(centered, alongNormal(dNormal, normal)))
      return [dx, tf.sum(tf.mul(dy, normal), rowAxes), tf.sum(dy, rowAxes)]
    },
  )
}

/** x / sqrt(mean(x^2) + eps) * gain over the last axis. x [..., C]; gain [C]. @throws ShapeError */
export function rmsNorm(x: Tensor, gain: Tensor, eps: number): Tensor {
  const rowAxes = rowAxesOf('RmsNorm', x, gain)
  return customGradient(
    [x, gain],
    (x, gain) => {
      const [normal, inverse] = unitRows(x, eps)
      return { value: tf.mul(normal, gain), save: [normal, inverse, gain] }
    },
    (dy, [normal, inverse, gain]) => {
      const dNormal = tf.mul(dy, gain)
      return [tf.mul(inverse, tf.sub(dNormal, alongNormal(dNormal, normal))), tf.sum(tf.mul(dy, normal), rowAxes)]
    },
  )
}
