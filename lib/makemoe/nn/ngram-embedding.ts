/**
 * Hashed n-gram embeddings (Pagnoni et al. 2024, Byte Latent Transformer, 2412.09871, section 3.2.1): a second vector for each position, found
 * by its last n tokens together, so that the first layer need not put a word's letters together before it knows the word.
 */
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { normalInit } from './initializers'
import { Module } from './module'
import { parameter } from './parameter'

/** Rows of the table; a prime, so that n-grams spread over it. Those that meet in a row share it. */
export const ngramRows = 16_381

/** The tokens some positions before each token, plus 1; 0 where there is none: int32 [B, T]. */
export type EarlierTokens = (back: number) => Tensor

/** A table of vectors for n-grams. */
export class NgramEmbedding extends Module {
  /** [ngramRows, nEmbed] */
  readonly weight: Variable

  constructor(
    readonly length: number,
    readonly vocabSize: number,
    nEmbed: number,
    stream: RandomStream,
  ) {
    super()
    this.weight = parameter(normalInit(0.02)(stream, ngramRows, nEmbed))
  }

  /**
   * $E[h]$ with $h = \sum_{j<n} t_{-j} (V + 1)^j \bmod 16381$ and $t_{-j}$ the token j positions before, plus 1 (0: none).
   * @param earlier the tokens before each of those that are passed, and at 0 they themselves
   * @returns float32 [B, T, nEmbed]
   */
  forward(earlier: EarlierTokens): Tensor {
    const rows = tf.scalar(ngramRows, 'int32')
    const base = tf.scalar((this.vocabSize + 1) % ngramRows, 'int32') // less than 2^14, as a row: their product is an int32
    let hash = tf.mod(earlier(this.length - 1), rows)
    for (let back = this.length - 2; back >= 0; back--) hash = tf.mod(tf.add(tf.mul(hash, base), earlier(back)), rows)
    return tf.gather(this.weight, hash)
  }

  /** The parameters that a token does not meet: all rows but one. */
  idleParameterCount(): number {
    return this.weight.size - this.weight.size / ngramRows
  }
}

/** Of whole sequences: those before the first token have none before them. @param ids int32 [B, T] */
export function earlierIn(ids: Tensor): EarlierTokens {
  const [B = 0, T = 0] = ids.shape
  const marked = tf.add(ids, tf.scalar(1, 'int32'))
  return (back) =>
    back >= T
      ? tf.zeros([B, T], 'int32')
      : tf.pad(tf.slice(marked, [0, 0], [B, T - back]), [
          [0, 0],
          [back, 0],
        ])
}
