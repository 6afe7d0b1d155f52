import { ConfigError, presets, validateConfig } from 'makemoe'
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
  test.each([
    [0, 0.01],
    [99, 1],
    [100, 1],
    [800, 1],
    [900, 0.55],
    [1000, 0.1],
  ])('warm-up, stable, decay at step %i', (step, rate) => expect(schedules.wsd(step, config)).toBeCloseTo(rate, 6))
  test.each([
    [0, 0.01],
    [99, 1],
    [100, 1],
    [550, 0.5],
    [1000, 0],
  ])('linear at step %i', (step, rate) => expect(schedules.linear(step, config)).toBeCloseTo(rate, 6))
  test('each can rise over given steps, and those that fall end at a given rate', () => {
    const given = { ...config, learningRate: 2, warmup: 4, finalLearningRate: 0.5 }
    for (const schedule of Object.values(schedules)) {
      expect([0, 1, 2, 3, 4].map((step) => schedule(step, given))).toEqual([0.5, 1, 1.5, 2, 2])
      expect(schedule(1000, given)).toBeCloseTo(schedule === schedules.constant ? 2 : 0.5, 10)
    }
  })
  test('without a warm-up they begin at the full rate', () => {
    for (const schedule of Object.values(schedules)) expect(schedule(0, { ...config, warmup: 0 })).toBe(1)
  })
  test('a final rate is refused where none falls', () => {
    const constant = { ...presets.corrected, schedule: 'constant', finalLearningRate: 0.1 }
    expect(() => validateConfig(constant)).toThrow(/finalLearningRate: got 0.1 with the schedule constant, expected one that falls/)
  })
  test('a short run warms up for a tenth of its steps', () => expect(schedules.cosine(0, { ...config, steps: 10 })).toBe(1))
})

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('a schedule that gives %d is refused', (rate) => {
  expect(() => rateOf(() => rate, 3, { steps: 10, learningRate: 1 })).toThrow(ConfigError)
  expect(() => rateOf(() => rate, 3, { steps: 10, learningRate: 1 })).toThrow(/learning rate .* for step 3, expected a number >= 0/)
})
