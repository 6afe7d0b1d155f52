/** What training needs of several processes that train one model together; cluster/ has it. Each has a share of every batch, and perhaps of the experts. */

import type { Tensor } from '../../engine/tensor/tf'
import type { BatchShare } from '../nn/context'
import type { NamedParameter, StateDict } from '../nn/module'

/** All methods but `trained`, `own` and `requestStop` are collective: every process calls them in the same order. */
export interface Team {
  /** How many processes. */
  readonly size: number
  /** Handed to every forward pass. */
  readonly share: BatchShare
  /** Called first in every function that exchanges something, under a name that no other function has. */
  begin(name: string): void
  /** The parameters that this process trains. */
  trained(parameters: readonly NamedParameter[]): NamedParameter[]
  /** Gradients of the whole batch's loss, from those of this process's share; both in the order of `trained`. */
  gradients(gradients: readonly Tensor[]): Tensor[]
  /** The norm of the whole model's gradient, from what `gradients` gave; a scalar. */
  norm(gradients: readonly Tensor[]): Tensor
  /** Means over the processes of scalars and vectors by name; in them `stop`, the share of processes that were asked to stop. */
  means(values: Readonly<Record<string, Tensor>>): Record<string, Tensor>
  /** This process was asked to stop; all do when the next `means` say so. */
  requestStop(asked: boolean): void
  /**
   * Brings all weights into this process's model.
   * @param optimizer the state of this process's optimizer
   * @returns that of all of them
   */
  gather(optimizer: StateDict): StateDict
  /** What of a whole optimizer's state is this process's. */
  own(optimizer: StateDict): StateDict
  /**
   * Compares the weights that all processes have.
   * @throws TrainingError if they are not identical to the bit
   */
  compareWeights(step: number): void
}
