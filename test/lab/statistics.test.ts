import fc from 'fast-check'
import { mean } from 'makemoe/dist/base/numbers'
import { criticalT, deviation, entropyOf, median, pairedDifference, quantile, variation } from 'makemoe/dist/lab/statistics'
import { expect, test } from 'vitest'

test('mean, deviation of a sample, variation of a whole, by hand', () => {
  expect(mean([1, 2, 6])).toBe(3)
  expect(deviation([1, 2, 6])).toBeCloseTo(Math.sqrt(7), 12) // (4 + 1 + 9) / 2
  expect(deviation([5])).toBeNaN()
  expect(variation([1, 3])).toBe(0.5) // deviation 1, mean 2
  expect(variation([7])).toBe(0)
})

test('the lower median, the upper quantile, whatever the order', () => {
  expect(median([4, 1, 3, 2])).toBe(2)
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(3)
  expect([median([]), quantile([], 0.5)]).toEqual([Number.NaN, Number.NaN])
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1 }), fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
      const before = [...values]
      const found = quantile(values, share)
      expect(values).toEqual(before)
      expect(values.filter((value) => value < found).length).toBeLessThanOrEqual(share * values.length)
      expect(median([...values].reverse())).toBe(median(values))
    }),
  )
})

test('entropy: 0 of one, ln n of n equal weights, of their shares alone', () => {
  expect(entropyOf([0, 3, 0])).toBe(0)
  expect(entropyOf([2, 2, 2, 2])).toBeCloseTo(Math.log(4), 12)
  expect(entropyOf([1, 3])).toBeCloseTo(entropyOf([10, 30]), 12)
})

test('Student’s t: 4.303 for three seeds, no end for one, that of ten beyond', () => {
  expect(criticalT(2)).toBe(4.303)
  expect(criticalT(0)).toBe(Number.POSITIVE_INFINITY)
  expect(criticalT(50)).toBe(criticalT(10))
})

test('a difference counts if it is large beside its standard error', () => {
  expect(pairedDifference([0.1, 0.11, 0.09]).withinNoise).toBe(false) // standard error 0.0058, times 4.303 is 0.025
  expect(pairedDifference([0.1, -0.05, 0.02]).withinNoise).toBe(true)
  expect(pairedDifference([0.1]).withinNoise).toBe(true) // one seed proves nothing
  expect(pairedDifference([0.1, 0.2, 0.3]).standardError).toBeCloseTo(0.1 / Math.sqrt(3), 12)
})
