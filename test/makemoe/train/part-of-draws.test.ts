/** Parts of a batch draw together what the whole batch would. */
import { ConfigError, createStreams, type RandomStream, type Tensor, tf } from 'makemoe'
import { partOfDraws } from 'makemoe/dist/makemoe/train/part-of-draws'
import { describe, expect, test } from 'vitest'

const [parts, tokens] = [4, 6]

/** The stream of one part. */
const streamOf = (part: number): RandomStream =>
  partOfDraws(createStreams(7).noise, parts, tokens, (whole, axis, size) =>
    tf.slice(
      whole,
      whole.shape.map((_, along) => (along === axis ? part * size : 0)),
      whole.shape.map((all, along) => (along === axis ? size : all)),
    ),
  )

describe.each<[string, (stream: RandomStream, shape: readonly number[]) => Tensor]>([
  ['bits', (stream, shape) => stream.bits(shape)],
  ['uniform', (stream, shape) => stream.uniform(shape)],
  ['normal', (stream, shape) => stream.normal(shape)],
  ['integers', (stream, shape) => stream.integers(shape, 0, 1000)],
])('%s', (_name, draw) => {
  test.each<[string, readonly number[], axis: number]>([
    ['a number a token', [tokens], 0],
    ['tokens and experts', [tokens, 8], 0],
    ['tokens and as many experts', [tokens, tokens], 0],
    ['choices and tokens', [2, tokens], 1],
    ['choices, tokens and experts', [2, tokens, 8], 1],
    ['sequences, heads, queries and keys', [2, tokens, 3, 3], 0],
    ['rows of experts', [2 * tokens, tokens], 0],
  ])('%s', (_what, shape, axis) => {
    const whole = draw(
      createStreams(7).noise,
      shape.map((size, along) => (along === axis ? size * parts : size)),
    )
    const drawn = Array.from({ length: parts }, (_, part) => draw(streamOf(part), shape))
    expect(tf.concat(drawn, axis).arraySync()).toEqual(whole.arraySync())
  })
  test('one number for all is the same in all parts', () => {
    const whole = draw(createStreams(7).noise, []).dataSync()
    for (let part = 0; part < parts; part++) expect(draw(streamOf(part), []).dataSync()).toEqual(whole)
  })
  test('a list of another length is refused', () => {
    expect(() => draw(streamOf(0), [8])).toThrow(ConfigError)
    expect(() => draw(streamOf(0), [8])).toThrow(/a draw of shape \[8\] in a part of a batch of 6 tokens/)
  })
})

test('classes drawn from logits are refused, with the remedy', () => {
  expect(() => streamOf(0).categorical(tf.zeros([tokens, 3]))).toThrow(
    /needs the logits of all of it; expected the largest of logits plus Gumbel/,
  )
})
