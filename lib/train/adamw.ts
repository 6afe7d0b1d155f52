/**
 * AdamW with PyTorch's formula (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2): the weight decays first,
 * p <- p - lr * decay * p; then p <- p - lr * m^ / (sqrt(v^) + eps) with bias-corrected moments.
 */
import { applyAdam } from '../tensor/adam'
import { type Tensor, tf, type Variable } from '../tensor/tf'

export interface AdamWOptions {
  readonly learningRate?: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** Decoupled, on all parameters. */
  readonly weightDecay?: number
}

/** Any optimizer that a training step can use. */
export interface Optimizer {
  /** Updates every parameter from its gradient, in the parameters' order. */
  apply(gradients: readonly Tensor[]): void
}

/** The optimizer of the original. */
export class AdamW implements Optimizer {
  /** First and second moment of each parameter. */
  readonly moments: readonly { readonly m: Variable; readonly v: Variable }[]
  /** May be changed between steps; a scalar. */
  readonly learningRate: Variable
  /** beta1^t and beta2^t after t steps; scalars. */
  readonly beta1Power: Variable
  readonly beta2Power: Variable
  private readonly options: Required<Omit<AdamWOptions, 'learningRate'>>

  constructor(
    readonly parameters: readonly Variable[],
    { learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamWOptions = {},
  ) {
    this.options = { beta1, beta2, epsilon, weightDecay }
    const zeroLike = (parameter: Variable): Variable => tf.tidy(() => tf.variable(tf.zeros(parameter.shape), false))
    this.moments = parameters.map((parameter) => ({ m: zeroLike(parameter), v: zeroLike(parameter) }))
    this.learningRate = tf.tidy(() => tf.variable(tf.scalar(learningRate), false))
    this.beta1Power = tf.tidy(() => tf.variable(tf.scalar(1), false))
    this.beta2Power = tf.tidy(() => tf.variable(tf.scalar(1), false))
  }

  apply(gradients: readonly Tensor[]): void {
    const { beta1, beta2, epsilon, weightDecay } = this.options
    tf.tidy(() => {
      this.beta1Power.assign(tf.mul(this.beta1Power, beta1))
      this.beta2Power.assign(tf.mul(this.beta2Power, beta2))
      const scalars = {
        beta1Power: this.beta1Power,
        beta2Power: this.beta2Power,
        learningRate: this.learningRate,
        beta1: tf.scalar(beta1),
        beta2: tf.scalar(beta2),
        epsilon: tf.mul(tf.sqrt(tf.sub(1, this.beta2Power)), epsilon),
        keep: tf.sub(1, tf.mul(this.learningRate, weightDecay)),
      }
      for (const [i, parameter] of this.parameters.entries()) {
        const { m, v } = this.moments[i] as { m: Variable; v: Variable }
        const next = applyAdam({ parameter, m, v }, gradients[i] as Tensor, scalars)
        parameter.assign(next.parameter)
        m.assign(next.m)
        v.assign(next.v)
      }
    })
  }

  /** Frees the moments. */
  dispose(): void {
    tf.dispose([this.learningRate, this.beta1Power, this.beta2Power, ...this.moments.flatMap(({ m, v }) => [m, v])])
  }
}
