/**
 * LayerNorm (Ba, Kiros & Hinton 2016): each row is shifted and scaled to mean 0 and variance 1, then y = gain * x + bias. eps is PyTorch's 1e-5.
 */
import { layerNorm } from '../../engine/tensor/row-norm'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { Module } from './module'
import { parameter } from './parameter'

/**
 * Normalization of the last axis, $y = \gamma \, (x - \mu) / \sqrt{\sigma^2 + \varepsilon} + \beta$ with $\varepsilon = 10^{-5}$, as PyTorch;
 * [..., C] -> [..., C] (Ba, Kiros & Hinton 2016).
 */
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
   * (x - mean) / sqrt(variance + eps) * weight + bias, mean and variance over the last axis.
   * @param x [..., C]
   * @returns [..., C]
   * @throws ShapeError if its rows are of another size
   */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.eps)
  }
}
