import { ConfigError } from 'makemoe'
import { rateOf, schedules } from 'makemoe/dist/makemoe/train/schedule'
import { describe, expect, test } from 'vitest'

describe('schedule', () => {
  const config = { steps: 1000, learningRate: 1 }
  test.each([
    [0, 0.01],
    [99, 1],
    [100, 1],
    [550, 0.55],
    [999, 0.1],
  ])('cosine at step %i', (step, rate) => expect(schedules.cosine(step, config)).toBeCloseTo(rate, 4))
  test('constant stays', () => expect([0, 999].map((step) => schedules.constant(step, config))).toEqual([1, 1]))
  test('a short run warms up for a tenth of its steps', () => expect(schedules.cosine(0, { ...config, steps: 10 })).toBe(1))
})

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a schedule that gives %d is refused', (rate) => {
  expect(() => rateOf(() => rate, 3, { steps: 10, learningRate: 1 })).toThrow(ConfigError)
  expect(() => rateOf(() => rate, 3, { steps: 10, learningRate: 1 })).toThrow(/learning rate .* for step 3, expected a number >= 0/)
})
