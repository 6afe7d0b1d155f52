/**
 * Seeded random streams. One seed gives a stream for each purpose; a stream is a key and a counter, and every draw is a pure function of
 * the two (TensorFlow's Stateless* ops, Philox; Salmon et al. 2011). The counter is a variable: a compiled step draws new numbers each time,
 * and saving the counters is saving the streams.
 */
import { multiOp, op } from './op'
import { type Tensor, tf, type Variable } from './tf'

/** The purposes that randomness has here. */
export const streamNames = ['data', 'evaluation', 'init', 'dropout', 'noise', 'sampling'] as const
export type StreamName = (typeof streamNames)[number]

/** FNV-1a over the name, then mixed with the seed (the finaliser of MurmurHash3): a 32-bit key. */
function streamKey(seed: number, name: string): number {
  let hash = 0x811c9dc5
  for (const character of `${seed}/${name}`) hash = Math.imul(hash ^ (character.codePointAt(0) as number), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

/** One stream of random numbers. */
export class RandomStream {
  private readonly key: number
  /** The number of draws so far; an int32 scalar. */
  readonly counter: Variable

  constructor(seed: number, name: string) {
    this.key = streamKey(seed, name)
    this.counter = tf.variable(tf.scalar(0, 'int32'), false)
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
   * @param logits float32 [rows, classes], unnormalised log-probabilities
   * @returns int32 [rows]
   */
  categorical(logits: Tensor): Tensor {
    return tf.tidy(() => {
      const drawn = multiOp('StatelessMultinomial', [logits, tf.scalar(1, 'int32'), this.next()], 1, { output_dtype: { type: 'int32' } })
      return tf.reshape(drawn[0] as Tensor, [-1])
    })
  }
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
