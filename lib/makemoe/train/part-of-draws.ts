/** Parts of a batch that are computed apart draw what the whole batch would: each draws for all of it, and takes its part. */
import { ConfigError } from '../../base/errors'
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import type { Tensor } from '../../engine/tensor/tf'

/** Takes one part of a draw for the whole batch; `size` entries along `axis`. */
export type TakePart = (whole: Tensor, axis: number, size: number) => Tensor

/**
 * The axis along which a draw is for tokens or sequences: [N, ...], [B, ...], [K, N] or [K, N, ...]; undefined if one number is for all.
 * @param tokens N in a part
 * @throws ConfigError for a list of another length: nothing shows what it is for
 */
function axisOf(shape: readonly number[], tokens: number): 0 | 1 | undefined {
  const [first = 0, second] = shape
  if (shape.length === 0) return undefined
  if (shape.length === 1 && first % tokens !== 0)
    throw new ConfigError(
      `a draw of shape [${first}] in a part of a batch of ${tokens} tokens: got ${first}, expected a shape with the tokens`,
    )
  if (shape.length === 2) return second === tokens && first < tokens ? 1 : 0
  return shape.length === 3 && second === tokens ? 1 : 0
}

/**
 * A stream that draws for `parts` times as many tokens, and gives one part.
 * @param tokens in a part
 */
export function partOfDraws(stream: RandomStream, parts: number, tokens: number, take: TakePart): RandomStream {
  const part = (shape: readonly number[], draw: (shape: readonly number[]) => Tensor): Tensor => {
    const axis = axisOf(shape, tokens)
    if (axis === undefined) return draw(shape)
    const whole = draw(shape.map((size, along) => (along === axis ? size * parts : size)))
    return take(whole, axis, shape[axis] ?? 0)
  }
  const draws: Pick<RandomStream, 'bits' | 'uniform' | 'normal' | 'integers' | 'categorical'> = {
    bits: (shape) => part(shape, (shape) => stream.bits(shape)),
    uniform: (shape) => part(shape, (shape) => stream.uniform(shape)),
    normal: (shape) => part(shape, (shape) => stream.normal(shape)),
    integers: (shape, low, high) => part(shape, (shape) => stream.integers(shape, low, high)),
    categorical: () => {
      throw new ConfigError(
        'a batch is computed in parts: got a draw of `categorical`, which needs the logits of all of it; expected the largest of logits ' +
          'plus Gumbel noise, -log(-log(`uniform`))',
      )
    },
  }
  return Object.assign(Object.create(stream), stream, draws)
}

/** The same for what a training step draws: dropout and routing noise. */
export function partOfStreams(streams: Streams, parts: number, tokens: number, take: TakePart): Streams {
  const part = (stream: RandomStream): RandomStream => partOfDraws(stream, parts, tokens, take)
  return { ...streams, dropout: part(streams.dropout), noise: part(streams.noise) }
}
