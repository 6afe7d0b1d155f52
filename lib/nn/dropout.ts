/**
 * Dropout (Srivastava et al. 2014): in training each number is zeroed with probability `rate`, the others grow by 1 / (1 - rate).
 */
import { customGradient } from '../tensor/custom-gradient'
import { composite } from '../tensor/op'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import type { Context } from './context'

const halves = 2 ** 16

/**
 * A mask of 0 and 1 / (1 - rate) of the given shape. Each 32-bit random number decides two places, so that the rate is rounded to 2^-16.
 */
export function dropoutMask(shape: readonly number[], rate: number, stream: RandomStream): Tensor {
  return tf.tidy(() => {
    const rows = shape.slice(0, -1)
    const last = shape[shape.length - 1] as number
    const pairs = Math.ceil(last / 2)
    const bits = stream.bits([...rows, pairs])
    const threshold = tf.scalar(Math.round(rate * halves) - halves / 2, 'int32')
    const scale = tf.scalar(1 / (1 - rate))
    const [mask] = composite([bits, threshold, scale], ([bits, threshold, scale], run) => {
      const [int16s] = run('Bitcast', [bits as number], { T: { type: 'int32' }, type: { type: 'int16' } })
      const [limit] = run('Cast', [threshold as number], { SrcT: { type: 'int32' }, DstT: { type: 'int16' }, Truncate: false })
      const [keep] = run('GreaterEqual', [int16s as number, limit as number], { T: { type: 'int16' } })
      const [ones] = run('Cast', [keep as number], { SrcT: { type: 'bool' }, DstT: { type: 'float32' }, Truncate: false })
      return run('Mul', [ones as number, scale as number], { T: { type: 'float32' } })
    })
    const whole = tf.reshape(mask as Tensor, [...rows, 2 * pairs])
    if (2 * pairs === last) return whole
    return tf.slice(
      whole,
      shape.map(() => 0),
      [...shape],
    )
  })
}

/** Multiplies by a mask, which gets no gradient. */
export function applyMask(x: Tensor, mask: Tensor): Tensor {
  return customGradient([x], ([x], save) => {
    save([mask])
    return { value: tf.mul(x as Tensor, mask), gradient: (dy, [mask]) => [tf.mul(dy, mask as Tensor)] }
  })
}

/**
 * Dropout, if the context is training.
 * @param x any shape
 * @param rate probability of a zero, in [0, 1)
 */
export function dropout(x: Tensor, rate: number, ctx: Context): Tensor {
  if (!ctx.training || rate === 0) return x
  return applyMask(x, dropoutMask(x.shape, rate, ctx.streams.dropout))
}
