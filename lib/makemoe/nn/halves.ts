/** Two independent subgraphs where one chain of small ops would keep a single core busy. */
import { at } from '../../base/assertions'
import { type RandomStream, splitStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Context } from './context'
import { Module } from './module'
import type { StateDict } from './state-tensors'

/** A module whose forward treats the entries of the first axis independently. */
type PerSequence = Module & { forward(x: Tensor, ctx?: Context): Tensor }

/** The halves that a joined result was made of, so that the next module in a row need not cut them again. */
const halvesOf = new WeakMap<Tensor, readonly [Tensor, Tensor]>()

function halve(x: Tensor): readonly [Tensor, Tensor] {
  const known = halvesOf.get(x)
  if (known?.every((half) => !half.isDisposed)) return known
  const size = x.shape[0] ?? 0
  const halves = tf.split(x, [Math.ceil(size / 2), Math.floor(size / 2)])
  return [at(halves, 0), at(halves, 1)]
}

/**
 * A module that computes both halves of its input's first axis on their own, for speed alone: a graph runs them at the same time. The ops
 * around attention are too small to be worth splitting inside, and each waits for the one before. The result is the same, dropout included;
 * parameters have the names that they have without it.
 */
export class InHalves<Inner extends PerSequence> extends Module {
  /** @param inner must treat the entries of the first axis independently */
  constructor(readonly inner: Inner) {
    super()
  }

  forward(x: Tensor, ctx?: Context): Tensor {
    const [sequences = 0, positions] = x.shape
    // A single position is too little to share out; a cache is of all sequences.
    if (sequences < 2 || positions === 1) return this.inner.forward(x, ctx)
    const [first, second] = halve(x)
    const streams = ctx && splitStream(ctx.streams.dropout, [sizeOf(first), sizeOf(second)])
    const resultOf = (half: Tensor, dropout: RandomStream | undefined): Tensor =>
      this.inner.forward(half, ctx && dropout && { ...ctx, streams: { ...ctx.streams, dropout } })
    const results = [resultOf(first, streams?.[0]), resultOf(second, streams?.[1])] as const
    const joined = tf.concat([...results])
    halvesOf.set(joined, results)
    return joined
  }

  protected override get wrapped(): Module {
    return this.inner
  }

  override saveState(state: StateDict, prefix = ''): void {
    this.inner.saveState(state, prefix)
  }

  override loadState(state: StateDict, prefix = ''): void {
    this.inner.loadState(state, prefix)
  }
}

const sizeOf = (x: Tensor): number => x.shape[0] ?? 0
