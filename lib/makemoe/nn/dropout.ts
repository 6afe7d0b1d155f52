/**
 * Dropout (Srivastava et al. 2014): in training each number is zeroed with probability `rate`, the others grow by 1 / (1 - rate).
 */
import { applyMask, dropoutMask } from '../../engine/tensor/dropout-mask'
import type { Tensor } from '../../engine/tensor/tf'
import type { Context } from './context'

/**
 * Dropout, if the context is training: $y = x \odot m / (1 - r)$ with $m \sim \mathrm{Bernoulli}(1 - r)$ (Srivastava et al. 2014, section 4).
 * @param x float32, any shape
 * @param rate r, the dropout rate, in [0, 1)
 * @returns the same shape; x itself in evaluation
 */
export function dropout(x: Tensor, rate: number, ctx: Context): Tensor {
  if (!ctx.training || rate === 0) return x
  return applyMask(x, dropoutMask(x.shape, rate, ctx.streams.dropout))
}
