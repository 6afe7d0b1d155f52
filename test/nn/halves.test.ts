import { createStreams, dropout, inHalves, type Tensor, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'
import { relativeError } from '../support'

describe('inHalves', () => {
  const double = (x: Tensor) => tf.mul(x, 2)
  test.each([1, 2, 5])('a batch of %i: the function of the whole, in order', (B) => {
    const x = tf.range(0, B * 3).reshape([B, 3])
    const ctx = { training: false, streams: createStreams(1) }
    expect(inHalves(x, ctx, double).arraySync()).toEqual(double(x).arraySync())
  })
  test('dropout draws what it would draw undivided, several times, and leaves no tensors', () => {
    const x = tf.ones([5, 4])
    const twice = (x: Tensor, ctx: Parameters<typeof dropout>[2]) => dropout(dropout(x, 0.5, ctx), 0.25, ctx)
    const context = () => ({ training: true, streams: createStreams(7) })
    const [whole, halves] = [context(), context()]
    const before = tf.memory().numTensors
    tf.tidy(() => {
      const expected = twice(x, whole).dataSync()
      expect(Array.from(inHalves(x, halves, twice).dataSync())).toEqual(Array.from(expected))
      expect(new Set(expected).size).toBe(2)
    })
    expect(tf.memory().numTensors).toBe(before)
    expect(halves.streams.dropout.counter.dataSync()).toEqual(whole.streams.dropout.counter.dataSync())
  })
  test('gradients pass through', () => {
    const x = tf.tensor2d([[1], [2], [3]])
    const ctx = { training: false, streams: createStreams(1) }
    const gradient = tf.grad((x) => tf.sum(inHalves(x, ctx, (half) => tf.square(half))))(x)
    expect(relativeError(gradient.dataSync(), [2, 4, 6])).toBe(0)
  })
})
