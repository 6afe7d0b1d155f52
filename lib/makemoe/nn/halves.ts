/** Two independent subgraphs where one chain of small ops would keep a single core busy. */
import { at } from '../../base/assertions'
import { type RandomStream, splitStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Context } from './context'
import type { Module } from './module'

/** A module whose forward treats the entries of the first axis independently. */
type PerSequence = Module & { forward(x: Tensor, ctx?: Context): Tensor }

/** The halves that a joined result was made of, so that the next module in a row need not cut them again. */
const halvesOf = new WeakMap<Tensor, readonly [Tensor, Tensor]>()

function halve(x: Tensor): readonly [Tensor, Tensor] {
  const made = halvesOf.get(x)
  if (made?.every((half) => !half.isDisposed)) return made
  const size = x.shape[0] ?? 0
  const halves = tf.split(x, [Math.ceil(size / 2), Math.floor(size / 2)])
  return [at(halves, 0), at(halves, 1)]
}

/**
 * Makes a module compute both halves of its input's first axis on their own, for speed alone: a graph runs them at the same time. The ops
 * around attention are too small to be worth splitting inside, and each waits for the one before. The result is the same, dropout included.
 * @param module must treat the entries of the first axis independently
 * @returns the same module
 */
export function inHalves<M extends PerSequence>(module: M): M {
  const whole = module.forward.bind(module)
  module.forward = (x: Tensor, ctx?: Context): Tensor => {
    const [sequences = 0, positions] = x.shape
    if (sequences < 2 || positions === 1) return whole(x, ctx) // a single position is too little to share out; a cache is of all sequences
    const [first, second] = halve(x)
    const streams =
      ctx &&
      splitStream(
        ctx.streams.dropout,
        [first, second].map((half) => half.shape[0] ?? 0),
      )
    const resultOf = (half: Tensor, dropout: RandomStream | undefined): Tensor =>
      whole(half, ctx && dropout && { ...ctx, streams: { ...ctx.streams, dropout } })
    const results = [resultOf(first, streams?.[0]), resultOf(second, streams?.[1])] as const
    const joined = tf.concat([...results])
    halvesOf.set(joined, results)
    return joined
  }
  return module
}
