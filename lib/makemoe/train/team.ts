/**
 * What training needs of the processes that train one model together; runs/cluster has them, and `alone` is the usual case of one. Each has a
 * share of every batch, and perhaps of the experts.
 */

import type { Tensor } from '../../engine/tensor/tf'
import { type BatchShare, wholeBatch } from '../moe/batch-share'
import type { NamedParameter } from '../nn/parameter'
import type { StateDict } from '../nn/state-tensors'
import { globalNorm } from './gradients'

/** All methods but `trained`, `own`, `requestStop`, `agreed` and `stops` are collective: every process calls them in the same order. */
export interface Team {
  /** How many processes. */
  readonly size: number
  /** Handed to every forward pass. */
  readonly share: BatchShare
  /** Called first in every function that exchanges something, under a name that no other function has. */
  begin(name: string): void
  /** The parameters that this process trains. */
  trained(parameters: readonly NamedParameter[]): readonly NamedParameter[]
  /** Gradients of the whole batch's loss, from those of this process's share; both in the order of `trained`. */
  gradients(gradients: readonly Tensor[]): readonly Tensor[]
  /** The norm of the whole model's gradient, from what `gradients` gave; a scalar. */
  norm(gradients: readonly Tensor[]): Tensor
  /** Means over the processes of scalars and vectors by name, and what the processes agree on. */
  means(values: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>>
  /** Lets the others know with the next `means` whether this process was asked to stop. */
  requestStop(asked: boolean): void
  /** Takes what the processes agree on out of the numbers that `means` gave. */
  agreed(numbers: Readonly<Record<string, number>>): Readonly<Record<string, number>>
  /** Whether training stops before the next step: processes that wait for each other stop together. */
  stops(asked: boolean): boolean
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

/** One process, which has everything. */
export const alone: Team = {
  size: 1,
  share: wholeBatch,
  begin: () => {},
  trained: (parameters) => parameters,
  gradients: (gradients) => gradients,
  norm: globalNorm,
  means: (values) => values,
  requestStop: () => {},
  agreed: (numbers) => numbers,
  stops: (asked) => asked,
  gather: (optimizer) => optimizer,
  own: (optimizer) => optimizer,
  compareWeights: () => {},
}
