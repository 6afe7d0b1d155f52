/**
 * Initializers: how a weight starts. Each takes the stream `init`, the shape in our layout [in, out], and returns a tensor.
 */
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'

/** Makes the first value of a weight [fanIn, fanOut]. */
export type Initializer = (stream: RandomStream, fanIn: number, fanOut: number) => Tensor

const normal = (stream: RandomStream, shape: readonly number[], deviation: number): Tensor =>
  tf.tidy(() => tf.mul(stream.normal(shape), deviation))

/** $N(0, 2 / fanIn)$: keeps the variance through a ReLU (He et al. 2015, eq. 10). */
export const kaimingNormal: Initializer = (stream, fanIn, fanOut) => normal(stream, [fanIn, fanOut], Math.sqrt(2 / fanIn))

/** $N(0, 1 / fanIn)$: keeps the variance where no ReLU follows (LeCun et al. 1998, section 4.6). */
export const lecunNormal: Initializer = (stream, fanIn, fanOut) => normal(stream, [fanIn, fanOut], Math.sqrt(1 / fanIn))

/** $N(0, 2 / (fanIn + fanOut))$ (Glorot & Bengio 2010, eq. 12). */
export const xavierNormal: Initializer = (stream, fanIn, fanOut) => normal(stream, [fanIn, fanOut], Math.sqrt(2 / (fanIn + fanOut)))

/** $N(0, deviation^2)$, whatever the shape. */
export const normalInit =
  (deviation: number): Initializer =>
  (stream, fanIn, fanOut) =>
    normal(stream, [fanIn, fanOut], deviation)

/** All zeros. */
export const zeros: Initializer = (_stream, fanIn, fanOut) => tf.zeros([fanIn, fanOut])

/** A bias as PyTorch starts it: uniform on +-1 / sqrt(fanIn), shape [fanOut]. */
export function uniformBias(stream: RandomStream, fanIn: number, fanOut: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn)
  return tf.tidy(() => tf.sub(tf.mul(stream.uniform([fanOut]), 2 * bound), bound))
}

/** An initializer of a table [symbols, C] that starts as the weight [C, symbols] of a linear layer. */
export const transposed =
  (init: Initializer): Initializer =>
  (stream, symbols, nEmbed) =>
    tf.tidy(() => tf.transpose(init(stream, nEmbed, symbols)))
