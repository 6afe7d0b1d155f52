/** Parts of a batch that are computed apart draw what the whole batch would: each draws for all of it, and takes its part. */
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import type { Tensor } from '../../engine/tensor/tf'

/** Takes one part of a draw for the whole batch; `size` entries along `axis`. */
export type TakePart = (whole: Tensor, axis: number, size: number) => Tensor

/**
 * A stream that draws for `parts` times as many tokens, and gives one part.
 * @param tokens in a part
 */
export function partOfDraws(stream: RandomStream, parts: number, tokens: number, take: TakePart): RandomStream {
  const part =
    (draw: (shape: readonly number[]) => Tensor) =>
    (shape: readonly number[]): Tensor => {
      const axis = shape.length === 3 && shape[1] === tokens ? 1 : 0 // [K, N, ...], else sequences or tokens come first
      const whole = draw(shape.map((size, along) => (along === axis ? size * parts : size)))
      return take(whole, axis, shape[axis] ?? 0)
    }
  const draws = { bits: stream.bits, uniform: stream.uniform, normal: stream.normal }
  const partial = Object.entries(draws).map(([name, draw]) => [name, part(draw.bind(stream))])
  return Object.assign(Object.create(stream), stream, Object.fromEntries(partial))
}

/** The same for what a training step draws: dropout and routing noise. */
export function partOfStreams(streams: Streams, parts: number, tokens: number, take: TakePart): Streams {
  const part = (stream: RandomStream): RandomStream => partOfDraws(stream, parts, tokens, take)
  return { ...streams, dropout: part(streams.dropout), noise: part(streams.noise) }
}
