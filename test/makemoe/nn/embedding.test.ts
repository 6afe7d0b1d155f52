import { createStreams, Embedding, tf } from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'

const streams = createStreams(3)

describe('Embedding', () => {
  const embedding = new Embedding(3, 2, streams.init)
  assignParameter(embedding.weight, Float32Array.of(0, 1, 2, 3, 4, 5))
  test('looks rows up', () =>
    expect(embedding.forward(tf.tensor1d([2, 0], 'int32')).arraySync()).toEqual([
      [4, 5],
      [0, 1],
    ]))
  test('sums the gradients of a row that is used twice', () => {
    const { grads } = tf.variableGrads(() => tf.sum(embedding.forward(tf.tensor1d([1, 1, 2], 'int32'))).asScalar(), [embedding.weight])
    expect(Object.values(grads)[0]?.arraySync()).toEqual([
      [0, 0],
      [2, 2],
      [1, 1],
    ])
  })
})
