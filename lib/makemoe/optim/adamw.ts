/**
 * AdamW with PyTorch's formula (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2): the weight decays first,
 * p <- p - lr * decay * p; then p <- p - lr * m^ / (sqrt(v^) + eps) with bias-corrected moments.
 */
import { at } from '../../base/assertions'
import { type Tensor, tf } from '../../engine/tensor/tf'
import { updateInPlace } from '../../engine/tensor/update-in-place'
import { buffer, type NamedParameter } from '../nn/parameter'
import { Optimizer, type OptimizerOptions, zerosLike } from './optimizer'

export interface AdamWOptions extends OptimizerOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
}

/**
 * AdamW (Loshchilov & Hutter 2019), the optimizer of the original: $m \leftarrow \beta_1 m + (1 - \beta_1) g$,
 * $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$, $p \leftarrow p - \eta (\hat m / (\sqrt{\hat v} + \varepsilon) + \lambda p)$.
 */
export class AdamW extends Optimizer {
  /** First and second moment of each parameter. */
  private readonly m: readonly NamedParameter[]
  private readonly v: readonly NamedParameter[]
  /** beta1^t and beta2^t after t steps; scalars. */
  private readonly beta1Power = buffer(tf.scalar(1))
  private readonly beta2Power = buffer(tf.scalar(1))
  private readonly options: Required<Omit<AdamWOptions, 'learningRate'>>

  constructor(
    private readonly parameters: readonly NamedParameter[],
    { learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamWOptions = {},
  ) {
    super(learningRate)
    this.options = { beta1, beta2, epsilon, weightDecay }
    this.m = zerosLike('m', parameters)
    this.v = zerosLike('v', parameters)
  }

  apply(gradients: readonly Tensor[]): void {
    const { beta1, beta2, epsilon, weightDecay } = this.options
    tf.tidy(() => {
      this.beta1Power.assign(tf.mul(this.beta1Power, beta1))
      this.beta2Power.assign(tf.mul(this.beta2Power, beta2))
      const keep = tf.sub(1, tf.mul(this.learningRate, weightDecay))
      // ResourceApplyAdam adds epsilon outside the bias correction: epsilon * sqrt(1 - beta2^t) gives PyTorch's formula.
      const epsilonOfStep = tf.mul(tf.sqrt(tf.sub(1, this.beta2Power)), epsilon)
      const scalars = [this.beta1Power, this.beta2Power, this.learningRate, tf.scalar(beta1), tf.scalar(beta2), epsilonOfStep]
      for (const [i, [, parameter]] of this.parameters.entries()) {
        const [m, v] = [at(this.m, i)[1], at(this.v, i)[1]]
        parameter.assign(tf.mul(parameter, keep))
        updateInPlace('ResourceApplyAdam', [parameter, m, v], [...scalars, at(gradients, i)], {
          use_locking: false,
          use_nesterov: false,
        })
      }
    })
  }

  state(): readonly NamedParameter[] {
    return [
      ['beta1_power', this.beta1Power],
      ['beta2_power', this.beta2Power],
      ...this.parameters.flatMap((_, i) => [at(this.m, i), at(this.v, i)]),
    ]
  }
}
