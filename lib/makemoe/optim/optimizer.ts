/**
 * Optimizer: what turns gradients into new parameters. One is a class with two methods, `apply` and `state`; training, checkpoints and
 * graph mode need nothing else of it.
 */
import { CheckpointError } from '../../base/errors'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { buffer, type NamedParameter, tensorFor } from '../nn/parameter'
import { type StateDict, takeState } from '../nn/state-tensors'

/** Base class of all optimizers. */
export abstract class Optimizer {
  /** A scalar; may be changed between steps, as a schedule does. */
  readonly learningRate: Variable

  /** @param initialRate what a schedule starts from */
  constructor(readonly initialRate: number) {
    this.learningRate = buffer(tf.scalar(initialRate))
  }

  /** Updates every parameter from its gradient, in the order of the parameters. Plain tensor ops and `assign`: it may be compiled. */
  abstract apply(gradients: readonly Tensor[]): void

  /** All variables that the optimizer keeps from step to step, by name, the learning rate aside: what a checkpoint holds of it. */
  abstract state(): readonly NamedParameter[]

  /**
   * Takes its variables from a checkpoint.
   * @throws CheckpointError if one is missing, of another shape, or has no place here; nothing is changed then
   */
  restore(saved: StateDict): void {
    const left = new Map(saved)
    const values = this.state().map(([name, variable]) => [variable, takeState(left, name, variable.shape).values] as const)
    const [extra] = left.keys()
    if (extra !== undefined) throw new CheckpointError(`the optimizer's state has ${extra}, which this optimizer has no place for`)
    tf.tidy(() => {
      const tensors = values.map(([variable, numbers]) => [variable, tensorFor(variable, numbers)] as const)
      for (const [variable, tensor] of tensors) variable.assign(tensor)
    })
  }

  /** Frees its variables. */
  dispose(): void {
    tf.dispose([this.learningRate, ...this.state().map(([, variable]) => variable)])
  }
}

/** What every optimizer of the table is made from. */
export interface OptimizerOptions {
  readonly learningRate?: number
  /** Decoupled, on all parameters. */
  readonly weightDecay?: number
}

/** Makes an optimizer for named parameters: an entry of the table, or a person's own. */
export type MakeOptimizer = (parameters: readonly NamedParameter[], options: Required<OptimizerOptions>) => Optimizer

/** Zeros of each parameter's shape, named `<prefix>.<parameter>`. */
export function zerosLike(prefix: string, parameters: readonly NamedParameter[]): NamedParameter[] {
  return parameters.map(([name, { shape }]) => [`${prefix}.${name}`, buffer(tf.zeros(shape))])
}
