/** Drops at random: every pair of an expert that has too many is dropped with the same probability, whatever its gate and its position. */
import { ConfigError } from '../../../base/errors'
import { matrixShape } from '../../../engine/tensor/shape'
import { type Tensor, tf } from '../../../engine/tensor/tf'
import type { Context } from '../../nn/context'

/** In an order drawn anew in each pass, from the stream of routing noise. */
export function atRandom(gates: Tensor, ctx?: Context): Tensor {
  if (!ctx) throw new ConfigError('drop policy random: got no context, expected one to draw from')
  const [N, K] = matrixShape(gates, 'drop policy: gates')
  return tf.topk(ctx.streams.noise.uniform([N * K]), N * K).indices
}
