import fc from 'fast-check'
import { tf } from 'makemoe'
import { filterLogits } from 'makemoe/dist/makemoe/model/sampler'
import { draw, normalFrom, probabilities, seededRandom } from 'makemoe/dist/show/page/sampling'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

describe('probabilities', () => {
  test('are those of the TensorFlow sampler, on settings drawn at random', () => {
    const settings = fc.record({
      temperature: fc.constantFrom(0, 0.3, 0.8, 1, 1.7),
      topK: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
      topP: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined }),
    })
    const logits = fc.uniqueArray(fc.integer({ min: -400, max: 400 }), { minLength: 2, maxLength: 10 })
    fc.assert(
      fc.property(settings, logits, ({ temperature, topK, topP }, integers) => {
        const numbers = Float32Array.from(integers, (integer) => integer / 100)
        const expected = tf.tidy(() =>
          tf
            .softmax(filterLogits(tf.tensor2d(numbers, [1, numbers.length]), { temperature, sampleTopK: topK, sampleTopP: topP }))
            .dataSync(),
        ) as Float32Array
        const actual = probabilities(numbers, { temperature, topK, topP })
        // Where the cut of top-p falls within rounding of a sum, both are right.
        const sums = [...probabilities(numbers, { temperature, topK })]
          .sort((a, b) => b - a)
          .map(
            (
              (sum) => (p: number) =>
                (sum += p)
            )(0),
          )
        fc.pre(topP === undefined || sums.every((sum) => Math.abs(sum - topP) > 1e-5))
        expectClose(actual, expected, 1e-4)
      }),
      { numRuns: 200 },
    )
  })
  test('what ties with the last one that stays, stays', () => {
    expect([...probabilities(Float32Array.of(1, 3, 3), { temperature: 1, topK: 1 })]).toEqual([0, 0.5, 0.5])
  })
})

test('mulberry32 gives its published sequence', () => {
  const random = seededRandom(0)
  expect([random(), random(), random()]).toEqual([0.26642920868471265, 0.0003297457005828619, 0.2232720274478197])
})

test('normal numbers have mean 0 and variance 1', () => {
  const normal = normalFrom(seededRandom(3))
  const numbers = Array.from({ length: 20_000 }, normal)
  const mean = numbers.reduce((a, b) => a + b) / numbers.length
  expect(Math.abs(mean)).toBeLessThan(0.03)
  expect(numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length).toBeCloseTo(1, 1)
})

test('draw falls on each index as often as its probability says, and never on a zero', () => {
  const p = Float32Array.of(0, 0.25, 0, 0.75, 0)
  expect([0, 0.2499, 0.25, 0.9999, 1].map((uniform) => draw(p, uniform))).toEqual([1, 1, 3, 3, 3])
})
