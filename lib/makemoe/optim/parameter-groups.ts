/** ParameterGroups: several optimizers as one, each for some of the parameters, at a multiple of the common learning rate. */
import { at } from '../../base/assertions'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { NamedParameter } from '../nn/parameter'
import { Optimizer, type OptimizerOptions } from './optimizer'

/** Some of a model's parameters, and how they are trained. */
export interface ParameterGroup {
  /** Stands before the names of its optimizer's state. */
  readonly name: string
  readonly has: (parameter: NamedParameter) => boolean
  /** Its learning rate as a multiple of the common one. */
  readonly multiple: number
  readonly make: (parameters: readonly NamedParameter[], options: OptimizerOptions) => Optimizer
}

interface Member {
  readonly name: string
  readonly multiple: number
  /** The positions of its parameters among all. */
  readonly positions: readonly number[]
  readonly optimizer: Optimizer
}

/** An optimizer for each group, $\eta_g = m_g \, \eta$ with the group's multiple m of the learning rate, which a schedule may move. */
export class ParameterGroups extends Optimizer {
  private readonly members: readonly Member[]

  /** @param groups a parameter belongs to the first one that has it; what none has stays as it is */
  constructor(parameters: readonly NamedParameter[], groups: readonly ParameterGroup[], options: Required<OptimizerOptions>) {
    super(options.learningRate)
    const groupOf = (parameter: NamedParameter): ParameterGroup | undefined => groups.find(({ has }) => has(parameter))
    this.members = groups.flatMap((group) => {
      const positions = [...parameters.keys()].filter((i) => groupOf(at(parameters, i)) === group)
      const own = positions.map((i) => at(parameters, i))
      const { name, multiple } = group
      return own.length === 0 ? [] : [{ name, multiple, positions, optimizer: group.make(own, options) }]
    })
  }

  apply(gradients: readonly Tensor[]): void {
    for (const { multiple, positions, optimizer } of this.members) {
      tf.tidy(() => optimizer.learningRate.assign(tf.mul(this.learningRate, multiple)))
      optimizer.apply(positions.map((i) => at(gradients, i)))
    }
  }

  state(): readonly NamedParameter[] {
    return this.members.flatMap(({ name, optimizer }) =>
      optimizer.state().map(([variable, value]): NamedParameter => [`${name}.${variable}`, value]),
    )
  }

  override dispose(): void {
    this.learningRate.dispose()
    for (const { optimizer } of this.members) optimizer.dispose()
  }
}
