/**
 * Seeded random streams. One seed gives a stream for each purpose; a stream is a key and a counter, and every draw is a pure function of
 * the two (TensorFlow's Stateless* ops, Philox; Salmon et al. 2011). The counter is a variable: a compiled step draws new numbers each time,
 * and saving the counters is saving the streams.
 */
import { at, codePoint } from '../../base/assertions'
import { multiOp, op } from './op'
import { type Tensor, tf, type Variable } from './tf'

/** The purposes that randomness has here. */
export const streamNames = ['data', 'evaluation', 'init', 'dropout', 'noise', 'sampling'] as const
export type StreamName = (typeof streamNames)[number]

/** FNV-1a over the name, then mixed with the seed (the finaliser of MurmurHash3): a 32-bit key. */
function streamKey(seed: number, name: string): number {
  let hash = 0x811c9dc5
  for (const character of `${seed}/${name}`) hash = Math.imul(hash ^ codePoint(character), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** One stream of random numbers: each draw follows from the key and the number of draws before it (Salmon et al. 2011, Philox). */
export class RandomStream {
  /** From the seed and the name; two streams of one key draw the same. */
  readonly key: number
  /** The number of draws so far; an int32 scalar. */
  readonly counter: Variable

  constructor(seed: number, name: string) {
    this.key = streamKey(seed, name)
    this.counter = tf.tidy(() => tf.variable(tf.scalar(0, 'int32'), false))
  }

  /** The seed of the next draw, int32 [2]: the key and the counter, which then counts on. */
  private next(): Tensor {
    const seed = tf.stack([tf.scalar(this.key, 'int32'), this.counter])
    this.counter.assign(tf.add(this.counter, tf.scalar(1, 'int32')))
    return seed
  }

  /** Uniform on [0, 1), float32. */
  uniform(shape: readonly number[]): Tensor {
    return tf.tidy(() => op('StatelessRandomUniform', [tf.tensor1d([...shape], 'int32'), this.next()], { dtype: { type: 'float32' } }))
  }

  /** Standard normal, float32. */
  normal(shape: readonly number[]): Tensor {
    return tf.tidy(() => op('StatelessRandomNormal', [tf.tensor1d([...shape], 'int32'), this.next()], { dtype: { type: 'float32' } }))
  }

  /** Uniform integers on [low, high), int32. */
  integers(shape: readonly number[], low: number, high: number): Tensor {
    return tf.tidy(() =>
      op('StatelessRandomUniformInt', [tf.tensor1d([...shape], 'int32'), this.next(), tf.scalar(low, 'int32'), tf.scalar(high, 'int32')]),
    )
  }

  /** Uniform over all 2^32 integers, int32. */
  bits(shape: readonly number[]): Tensor {
    return tf.tidy(() => op('StatelessRandomUniformFullInt', [tf.tensor1d([...shape], 'int32'), this.next()], { dtype: { type: 'int32' } }))
  }

  /**
   * One class per row of logits.
   * @param logits float32 [rows, classes], unnormalized log-probabilities
   * @returns int32 [rows]
   */
  categorical(logits: Tensor): Tensor {
    return tf.tidy(() => {
      const drawn = multiOp('StatelessMultinomial', [logits, tf.scalar(1, 'int32'), this.next()], 1, { output_dtype: { type: 'int32' } })
      return tf.reshape(at(drawn, 0), [-1])
    })
  }
}

/**
 * One stream for each part of a batch that is computed part by part: together they draw the `bits` that `stream` would draw for the whole
 * batch. The first part draws for all; the others must then ask for as much, in the same order.
 * @param sizes entries of the first axis in each part
 */
export function splitStream(stream: RandomStream, sizes: readonly number[]): RandomStream[] {
  const all = sizes.reduce((sum, size) => sum + size, 0)
  const waiting: Tensor[][] = sizes.map(() => [])
  return sizes.map((_, part) => {
    const bits = ([, ...rest]: readonly number[]): Tensor => {
      if (part === 0) {
        // Past the scope in which the first part's mask is made, for the others.
        const pieces = tf.split(stream.bits([all, ...rest]), [...sizes])
        for (const [i, piece] of pieces.entries()) waiting[i]?.push(i === 0 ? piece : tf.keep(piece))
      }
      const piece = waiting[part]?.shift()
      if (!piece) throw new Error('splitStream: the first part has drawn less than this one asks for')
      if (part === 0) return piece
      const mine = tf.clone(piece) // of this scope
      piece.dispose()
      return mine
    }
    const share: RandomStream = Object.create(stream)
    return Object.assign(share, { bits })
  })
}

/** A stream for each purpose. */
export type Streams = Readonly<Record<StreamName, RandomStream>>

/**
 * The streams of one seed.
 * @param seed an integer
 */
export function createStreams(seed: number): Streams {
  return Object.fromEntries(streamNames.map((name) => [name, new RandomStream(seed, name)])) as Record<StreamName, RandomStream>
}

/** Frees the counters of streams that nobody draws from any longer. */
export function disposeStreams(streams: Streams): void {
  for (const { counter } of Object.values(streams)) counter.dispose()
}
