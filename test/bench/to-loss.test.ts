import { presets } from 'makemoe/dist/makemoe/presets'
import { expect, test } from 'vitest'
import { curvesBySteps, minutesFigure } from './minutes'
import { ladder, stepsOfOriginal, summary } from './to-loss'

test("the original's published losses: when it is there, and where it never comes", () => {
  expect([2, 1.8713, 1.8, 1.7508, 1.75].map(stepsOfOriginal)).toEqual([2500, 2500, 4999, 4999, undefined])
})
test('every rung is a sparse mixture, lower than the one before', () => {
  for (const { preset } of ladder) {
    expect(presets[preset].numExperts).toBeGreaterThanOrEqual(4)
    expect(presets[preset].topK).toBeLessThan(presets[preset].numExperts)
  }
  const losses = ladder.map(({ loss }) => loss)
  expect(losses).toEqual([...losses].sort((a, b) => b - a))
})
test('a line says the mean and the spread of the losses, the median of the minutes, and the original beside it', () => {
  const climbs = [1.7, 1.74, 1.72].map((nats, i) => ({
    preset: 'tiny' as const,
    seed: i,
    nats,
    minutes: [0.5, 0.9, 0.6][i] ?? 0,
    originalMs: 360,
  }))
  const line = summary({ preset: 'tiny', loss: 1.7508, minutes: 1 }, climbs)
  expect(line).toContain('loss 1.7200 ± 0.0200 over windows of')
  expect(line).toContain('goal 1.7508: reached; 0.60 minutes (goal 1.00)')
  expect(line).toContain('makeMoE.py is there after 30.0 minutes (4999 published steps at 360 ms), 50.0 times as long')
  expect(summary({ preset: 'tiny', loss: 1.7, minutes: 1 }, climbs)).toMatch(/not reached.*makeMoE.py ends at 1.7508/)
})

test('minutes are steps at the time that one takes, of the runs that were published or kept', () => {
  const curves = curvesBySteps({ original: 60, makemoe: 30, corrected: 12, default: 15 })
  expect(curves.map(({ name }) => name)).toEqual(['makeMoE.py, as published', 'makemoe', 'corrected', 'default'])
  expect(curves.map(({ minutes }) => minutes.at(-1))).toEqual(
    [4999, 4999 / 2, 4999 / 5, 4999 / 4].map((steps) => expect.closeTo(steps / 1000, 6)),
  )
  expect(curves.every(({ minutes, losses }) => minutes.length === losses.length)).toBe(true)
})
test('the figure leaves out what was before its axis begins', () => {
  const { data } = minutesFigure([{ name: 'a', minutes: [0, 0.04, 0.5, 1], losses: [4, 3, 2, 1.5] }])
  expect(data).toMatchObject([{ name: 'a', x: [0.5, 1], y: [2, 1.5] }])
})
