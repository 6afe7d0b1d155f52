/**
 * Embedding: a row of numbers for each token id. Stored [symbols, C], as in PyTorch; starts N(0, 1) by default.
 */
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { type Initializer, normalInit } from './initializers'
import { Module } from './module'
import { parameter } from './parameter'

/** A table of vectors, $y_i = W_{id_i}$, a row for each symbol; int32 [...] -> float32 [..., C]. */
export class Embedding extends Module {
  /** [symbols, nEmbed] */
  readonly weight: Variable

  constructor(symbols: number, nEmbed: number, stream: RandomStream, init: Initializer = normalInit(1)) {
    super()
    this.weight = parameter(init(stream, symbols, nEmbed))
  }

  /**
   * @param ids int32 [...]
   * @returns float32 [..., nEmbed]
   */
  forward(ids: Tensor): Tensor {
    return tf.gather(this.weight, ids)
  }
}
