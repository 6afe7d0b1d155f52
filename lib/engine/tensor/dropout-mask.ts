/** The mask of dropout, drawn with half as many random numbers as it has entries. */
import { TensorError } from '../../base/errors'
import { customGradient } from './custom-gradient'
import { composite } from './op'
import { lastSize } from './shape'
import type { RandomStream } from './streams'
import { type Tensor, tf } from './tf'

const halves = 2 ** 16

/** The random numbers that decide a mask: each has 32 bits for two entries, so that the rate is rounded to 2^-16. int32 [..., last / 2] */
export function dropoutBits(shape: readonly number[], stream: RandomStream): Tensor {
  const pairs = Math.ceil((shape.at(-1) ?? 1) / 2)
  return stream.bits([...shape.slice(0, -1), pairs])
}

/**
 * 0 where an entry is dropped (with probability `rate`), 1 elsewhere.
 * @param bits from `dropoutBits`, int32 [..., P]
 * @returns float32 [..., 2P]
 * @throws TensorError for a rate below 0, or so near to 1 that it rounds to it
 */
export function maskFromBits(bits: Tensor, rate: number): Tensor {
  const dropped = Math.round(rate * halves)
  if (!(rate >= 0 && dropped < halves)) throw new TensorError(`dropout: got the rate ${rate}, expected one from 0 to 0.999`)
  return tf.tidy(() => {
    const threshold = tf.scalar(dropped - halves / 2, 'int32')
    const mask = composite([bits, threshold], ([bits, threshold], run) => {
      const int16s = run('Bitcast', [bits], { T: { type: 'int32' }, type: { type: 'int16' } })
      const limit = run('Cast', [threshold], { SrcT: { type: 'int32' }, DstT: { type: 'int16' }, Truncate: false })
      const keep = run('GreaterEqual', [int16s, limit], { T: { type: 'int16' } })
      return run('Cast', [keep], { SrcT: { type: 'bool' }, DstT: { type: 'float32' }, Truncate: false })
    })
    return tf.reshape(mask, [...bits.shape.slice(0, -1), 2 * lastSize(bits)])
  })
}

/** A mask of 0 (with probability `rate`) and 1 / (1 - rate). */
export function dropoutMask(shape: readonly number[], rate: number, stream: RandomStream): Tensor {
  return tf.tidy(() => {
    const mask = tf.mul(maskFromBits(dropoutBits(shape, stream), rate), 1 / (1 - rate))
    if (mask.shape.at(-1) === shape.at(-1)) return mask
    return tf.slice(
      mask,
      shape.map(() => 0),
      [...shape],
    )
  })
}

/** x * mask; the mask gets no gradient. */
export function applyMask(x: Tensor, mask: Tensor): Tensor {
  return customGradient(
    [x],
    (x) => ({ value: tf.mul(x, mask), save: [mask] }),
    (dy, [mask]) => [tf.mul(dy, mask)],
  )
}
