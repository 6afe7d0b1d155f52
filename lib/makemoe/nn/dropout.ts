/**
 * Dropout (Srivastava et al. 2014): in training each number is zeroed with probability `rate`, the others grow by 1 / (1 - rate).
 */
import { applyMask, dropoutMask } from '../../engine/tensor/dropout-mask'
import type { Tensor } from '../../engine/tensor/tf'
import type { Context } from './context'

/**
 * Dropout, if the context is training: x * mask.
 * @param x any shape
 * @param rate the dropout rate, in [0, 1)
 */
export function dropout(x: Tensor, rate: number, ctx: Context): Tensor {
  if (!ctx.training || rate === 0) return x
  return applyMask(x, dropoutMask(x.shape, rate, ctx.streams.dropout))
}
