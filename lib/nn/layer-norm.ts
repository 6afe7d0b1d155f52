/**
 * LayerNorm (Ba, Kiros & Hinton 2016): each row is shifted and scaled to mean 0 and variance 1, then y = gain * x + bias.
 * eps is PyTorch's 1e-5. Forward and backward are written as one op each on the tape, which is a third of the ops of the plain chain.
 */
import { customGradient } from '../tensor/custom-gradient'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { Module, parameter } from './module'

/** Normalisation of the last axis, with a learned gain and bias. */
export class LayerNorm extends Module {
  /** The gain, [C]. */
  readonly weight: Variable
  /** [C] */
  readonly bias: Variable

  constructor(
    nEmbed: number,
    readonly eps = 1e-5,
  ) {
    super()
    this.weight = parameter(tf.ones([nEmbed]))
    this.bias = parameter(tf.zeros([nEmbed]))
  }

  /**
   * @param x [..., C]
   * @returns [..., C]
   */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps)
  }
}

/** LayerNorm as a function: (x - mean) / sqrt(variance + eps) * gain + bias over the last axis. */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, eps: number): Tensor {
  const rowAxes = x.shape.map((_, axis) => axis).slice(0, -1)
  return customGradient([x, gain, bias], ([x, gain, bias], save) => {
    const centred = tf.sub(x as Tensor, tf.mean(x as Tensor, -1, true))
    const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), eps))
    const normal = tf.mul(centred, inverseDeviation)
    save([normal, inverseDeviation, gain as Tensor])
    return {
      value: tf.add(tf.mul(normal, gain as Tensor), bias as Tensor),
      gradient: (dy, saved) => {
        const [normal, inverseDeviation, gain] = saved as [Tensor, Tensor, Tensor]
        const dNormal = tf.mul(dy, gain)
        const along = tf.mean(dNormal, -1, true)
        const across = tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true))
        const dx = tf.mul(inverseDeviation, tf.sub(tf.sub(dNormal, along), across))
        return [dx, tf.sum(tf.mul(dy, normal), rowAxes), tf.sum(dy, rowAxes)]
      },
    }
  })
}
