import { type Context, createStreams, dropout, tf } from 'makemoe'
import { applyMask, dropoutMask } from 'makemoe/dist/engine/tensor/dropout-mask'
import { describe, expect, test } from 'vitest'

const streams = createStreams(3)
const training: Context = { training: true, streams }
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('dropout', () => {
  test('zeroes a share of rate and scales the rest, in training alone', () => {
    const mask = dropoutMask([200, 501], 0.25, streams.dropout)
    const values = mask.dataSync()
    const kept = values.filter((value) => value !== 0)
    for (const value of kept.slice(0, 50)) expect(value).toBeCloseTo(4 / 3, 6)
    expect(1 - kept.length / values.length).toBeCloseTo(0.25, 2)
    expect(mask.shape).toEqual([200, 501])
    const x = random(4, 4)
    expect(dropout(x, 0.5, evaluating)).toBe(x)
    expect(dropout(x, 0, training)).toBe(x)
  })
  test.each([-0.1, 1, 0.9999999, Number.NaN])('a rate of %d is refused: its mask would keep all or drop all', (rate) => {
    expect(() => dropoutMask([4, 4], rate, streams.dropout)).toThrow(`dropout: got the rate ${rate}, expected one from 0 to 0.999`)
  })
  test('at the highest rate, one of a thousand is left, times a thousand', () => {
    const values = dropoutMask([1000, 1000], 0.999, streams.dropout).dataSync()
    expect(values.filter((value) => value !== 0).length / values.length).toBeCloseTo(0.001, 3)
    expect(tf.mean(tf.tensor1d(values)).dataSync()[0]).toBeCloseTo(1, 1)
  })
  test('draws anew each time', () => {
    const draw = () => Array.from(dropoutMask([64], 0.5, streams.dropout).dataSync())
    expect(draw()).not.toEqual(draw())
  })
  test('the gradient passes through the mask', () => {
    const mask = tf.tensor1d([0, 2, 2])
    expect(
      tf
        .grad((x) => applyMask(x, mask))(tf.tensor1d([1, 2, 3]))
        .arraySync(),
    ).toEqual([0, 2, 2])
  })
})
