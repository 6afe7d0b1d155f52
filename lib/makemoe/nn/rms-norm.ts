/** RMSNorm (Zhang & Sennrich 2019, 1910.07467): LayerNorm without the mean and without the bias. eps is LayerNorm's, 1e-5. */
import { rmsNorm } from '../../engine/tensor/row-norm'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { Module } from './module'
import { parameter } from './parameter'

/**
 * Normalization of the last axis, $y = \gamma \, x / \sqrt{\mathrm{mean}(x^2) + \varepsilon}$ with $\varepsilon = 10^{-5}$;
 * [..., C] -> [..., C] (Zhang & Sennrich 2019, eq. 4).
 */
export class RmsNorm extends Module {
  /** The gain, [C]. */
  readonly weight: Variable

  constructor(
    size: number,
    readonly eps = 1e-5,
  ) {
    super()
    this.weight = parameter(tf.ones([size]))
  }

  /**
   * x / sqrt(mean(x^2) + eps) * weight, the mean over the last axis.
   * @param x [..., C]
   * @returns [..., C]
   * @throws ShapeError if its rows are of another size
   */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.eps)
  }
}
