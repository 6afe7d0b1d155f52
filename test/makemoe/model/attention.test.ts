import { type Context, causalMask, createStreams, MultiHeadAttention, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const streams = createStreams(3)
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('attention', () => {
  const attention = new MultiHeadAttention(8, 2, 6, streams.init)
  test('the mask is 0 up to itself and -inf after', () => {
    const inf = Number.NEGATIVE_INFINITY
    expect(causalMask(3).arraySync()).toEqual([
      [0, inf, inf],
      [0, 0, inf],
      [0, 0, 0],
    ])
  })
  test('every row of weights sums to 1 and looks back only', () => {
    const { weights } = attention.weights(random(2, 5, 8), evaluating)
    expect(weights.shape).toEqual([2, 2, 5, 5])
    expectClose(tf.sum(weights, -1), new Float32Array(20).fill(1), 1e-6)
    expect(weights.arraySync()).toSatisfy((w: number[][][][]) =>
      w.every((b) => b.every((h) => h.every((row, i) => row.slice(i + 1).every((x) => x === 0)))),
    )
  })
  test('the scale is a choice: headSize gives larger scores than nEmbed', () => {
    const x = random(1, 6, 8)
    const entropy = (scale: 'headSize' | 'nEmbed') => {
      const { weights } = new MultiHeadAttention(8, 2, 6, createStreams(9).init, { scale }).weights(x, evaluating)
      return tf.sum(tf.mul(weights, tf.log(tf.add(weights, 1e-9)))).dataSync()[0] as number
    }
    expect(entropy('headSize')).toBeGreaterThan(entropy('nEmbed')) // both negative: less entropy with the larger scale
  })
  test('refuses another shape and an odd number of heads', () => {
    expect(() => attention.forward(random(2, 7, 8), evaluating)).toThrow(/attention: got \[2, 7, 8\], expected \[B, T <= 6, 8\]/)
    expect(() => new MultiHeadAttention(8, 3, 6, streams.init)).toThrow(/nEmbed: got 8, expected a multiple of nHead \(3\)/)
  })
})
