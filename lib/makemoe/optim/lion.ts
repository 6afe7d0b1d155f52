/**
 * Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2): a step of the learning rate along the sign of an
 * interpolated momentum, one moment instead of AdamW's two. Its learning rate should be 3 to 10 times smaller than AdamW's, its weight
 * decay as many times larger (their section 5).
 */
import { at } from '../../base/assertions'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { NamedParameter } from '../nn/parameter'
import { Optimizer, type OptimizerOptions, zerosLike } from './optimizer'

export interface LionOptions extends OptimizerOptions {
  readonly beta1?: number
  readonly beta2?: number
}

/**
 * Lion (Chen et al. 2023): $u = \mathrm{sign}(\beta_1 m + (1 - \beta_1) g)$, $p \leftarrow p - \eta (u + \lambda p)$,
 * $m \leftarrow \beta_2 m + (1 - \beta_2) g$.
 */
export class Lion extends Optimizer {
  private readonly moments: readonly NamedParameter[]
  private readonly options: Required<Omit<LionOptions, 'learningRate'>>

  constructor(
    private readonly parameters: readonly NamedParameter[],
    { learningRate = 1e-4, beta1 = 0.9, beta2 = 0.99, weightDecay = 0.1 }: LionOptions = {},
  ) {
    super(learningRate)
    this.options = { beta1, beta2, weightDecay }
    this.moments = zerosLike('m', parameters)
  }

  apply(gradients: readonly Tensor[]): void {
    const { beta1, beta2, weightDecay } = this.options
    tf.tidy(() => {
      for (const [i, [, p]] of this.parameters.entries()) {
        const [g, m] = [at(gradients, i), at(this.moments, i)[1]]
        const u = tf.sign(interpolate(m, g, beta1))
        p.assign(tf.sub(p, tf.mul(this.learningRate, tf.add(u, tf.mul(p, weightDecay)))))
        m.assign(interpolate(m, g, beta2))
      }
    })
  }

  state(): readonly NamedParameter[] {
    return this.moments
  }
}

/** beta a + (1 - beta) b */
const interpolate = (a: Tensor, b: Tensor, beta: number): Tensor => tf.add(tf.mul(a, beta), tf.mul(b, 1 - beta))
