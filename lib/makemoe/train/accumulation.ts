/**
 * Gradient accumulation: a batch is computed in pieces, one after the other, which need the memory of one; the update is that of the whole
 * batch. Each piece draws its part of the whole batch's dropout and noise. Capacity and balancing losses count within a piece.
 */
import { at } from '../../base/assertions'
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { buffer, type NamedParameter } from '../nn/parameter'
import { partOfStreams } from './part-of-draws'

/** What lasts from piece to piece of a batch. At the end of each batch all of it is zero, so that no checkpoint needs it. */
export class Accumulation {
  /** What the pieces draw from. */
  readonly streams: Streams
  private readonly sums: readonly Variable[]
  /** The number of the piece; an int32 scalar. */
  private readonly piece = buffer(tf.scalar(0, 'int32'))
  /** The counter of a stream, and that from which a piece draws. */
  private readonly counters: readonly (readonly [whole: Variable, piece: Variable])[]

  /** @param tokens in a piece */
  constructor(
    parameters: readonly NamedParameter[],
    streams: Streams,
    readonly pieces: number,
    tokens: number,
  ) {
    this.sums = parameters.map(([, { shape }]) => buffer(tf.zeros(shape)))
    const counters: (readonly [Variable, Variable])[] = []
    /** The same stream, which counts its draws beside it. */
    const beside = (stream: RandomStream): RandomStream => {
      const counter = buffer(tf.scalar(0, 'int32'))
      counters.push([stream.counter, counter])
      return Object.assign(Object.create(stream), stream, { counter })
    }
    const own = { ...streams, dropout: beside(streams.dropout), noise: beside(streams.noise) }
    this.counters = counters
    this.streams = partOfStreams(own, pieces, tokens, (whole, axis, size) => {
      const shape = [...whole.shape.slice(0, axis), pieces, size, ...whole.shape.slice(axis + 1)]
      return tf.gather(tf.reshape(whole, shape), this.piece, axis)
    })
  }

  /** Before each piece: it draws from where the batch began. */
  begin(): void {
    for (const [whole, piece] of this.counters) piece.assign(copy(whole))
  }

  /** After each piece but the last. */
  add(gradients: readonly Tensor[]): void {
    for (const [i, sum] of this.sums.entries()) sum.assign(tf.add(sum, at(gradients, i)))
    this.piece.assign(tf.add(this.piece, tf.scalar(1, 'int32')))
  }

  /** After the last piece: the gradients of the whole batch. */
  end(gradients: readonly Tensor[]): Tensor[] {
    const whole = this.sums.map((sum, i) => tf.div(tf.add(sum, at(gradients, i)), this.pieces))
    for (const sum of this.sums) sum.assign(tf.zerosLike(sum))
    this.piece.assign(tf.scalar(0, 'int32'))
    for (const [whole, piece] of this.counters) whole.assign(copy(piece))
    return whole
  }

  /** Frees its variables. */
  dispose(): void {
    tf.dispose([this.piece, ...this.sums, ...this.counters.map(([, piece]) => piece)])
  }
}

/** A value of its own: a variable that is assigned another one itself would share its memory. */
const copy = (value: Tensor): Tensor => tf.add(value, tf.zerosLike(value))
