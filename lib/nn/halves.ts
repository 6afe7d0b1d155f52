/** Two independent branches where one chain of small ops would keep a single core busy. */
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import type { Context } from './context'

/**
 * f of both halves of the first axis, joined: a graph runs them at the same time. The ops around attention are too small to be worth
 * splitting inside, and each waits for the one before. Dropout draws for both halves at once, so that it is the same as undivided.
 * @param x [B, ...]
 * @param f must treat the entries of the first axis independently
 */
export function inHalves(x: Tensor, ctx: Context, f: (half: Tensor, ctx: Context) => Tensor): Tensor {
  const [B = 0] = x.shape
  if (B < 2) return f(x, ctx)
  const sizes = [Math.ceil(B / 2), Math.floor(B / 2)]
  const [first, second] = tf.split(x, sizes) as [Tensor, Tensor]
  const forSecond: Tensor[] = []
  const drawing = (bits: RandomStream['bits']): Context => {
    const dropout: RandomStream = Object.assign(Object.create(ctx.streams.dropout), { bits })
    return { ...ctx, streams: { ...ctx.streams, dropout } }
  }
  const drawn = drawing((shape) => {
    const [mine, others] = tf.split(ctx.streams.dropout.bits([B, ...shape.slice(1)]), sizes) as [Tensor, Tensor]
    forSecond.push(tf.keep(others)) // past the scope in which the first half's mask is made
    return mine
  })
  const kept = drawing(() => {
    const others = forSecond.shift() as Tensor
    const mine = tf.clone(others)
    others.dispose()
    return mine
  })
  return tf.concat([f(first, drawn), f(second, kept)])
}
