/** TiedHead: logits from the table of token embeddings (Press & Wolf 2017, 1608.05859), a parameter that stands in two places. */

import { shape3 } from '../../engine/tensor/shape'
import type { Tensor, Variable } from '../../engine/tensor/tf'
import { tf } from '../../engine/tensor/tf'
import { Module } from '../nn/module'
import { parameter } from '../nn/parameter'

/** $x E^T + b$ with the embeddings E [V, C]; [B, T, C] -> [B, T, V] (Press & Wolf 2017, section 3). */
export class TiedHead extends Module {
  /** [V, C]; the embedding's own variable. */
  readonly weight: Variable
  /** [V] */
  readonly bias: Variable

  constructor(embedding: Variable) {
    super()
    this.weight = embedding
    this.bias = parameter(tf.zeros([embedding.shape[0] ?? 0]))
  }

  forward(x: Tensor): Tensor {
    const [B, T, C] = shape3(x)
    const logits = tf.add(tf.matMul(tf.reshape(x, [B * T, C]), this.weight, false, true), this.bias)
    return tf.reshape(logits, [B, T, -1])
  }
}
