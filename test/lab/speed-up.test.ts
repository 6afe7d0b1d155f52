/** How much longer the reference trains to a loss. */
import fc from 'fast-check'
import { comparisonTable, type Measurement, summarize } from 'makemoe'
import { stepsToLoss, withSpeedUps } from 'makemoe/dist/lab/speed-up'
import { expect, test } from 'vitest'

const points = [
  { steps: 250, loss: 2.4 },
  { steps: 500, loss: 2.2 },
  { steps: 1000, loss: 2 },
  { steps: 2000, loss: 1.9 },
]

test.each([
  [2.5, 250, 'below'],
  [2.4, 250, 'measured'],
  [2.2, 500, 'measured'],
  [2.1, 500 * Math.SQRT2, 'measured'], // half of the way in the logarithm
  [1.95, 1000 * Math.SQRT2, 'measured'],
  [1.85, 2000 * Math.SQRT2, 'extrapolated'],
  [1.8, 4000, 'extrapolated'],
  [1.7, 4000, 'beyond'],
])('a loss of %d after %d steps: %s', (loss, steps, place) => {
  const found = stepsToLoss(points, loss)
  expect(found.place).toBe(place)
  expect(found.steps).toBeCloseTo(steps, 6)
})

test('a reference that stopped getting better is out of reach; the first crossing counts', () => {
  const rising = [...points.slice(0, 3), { steps: 2000, loss: 2.3 }]
  expect(stepsToLoss(rising, 1.9)).toEqual({ steps: 4000, place: 'beyond' })
  expect(stepsToLoss(rising, 2.2).steps).toBeCloseTo(500, 6)
})

test('of any falling curve: where it is measured it gives the steps back, and a lower loss never takes fewer', () => {
  const falls = fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 2, maxLength: 6 })
  fc.assert(
    fc.property(falls, fc.double({ min: 0, max: 6, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (drops, a, less) => {
      let loss = 5
      const curve = drops.map((drop, i) => {
        loss -= drop
        return { steps: 100 * 2 ** i, loss }
      })
      for (const point of curve) expect(stepsToLoss(curve, point.loss).steps).toBeCloseTo(point.steps, 6)
      expect(stepsToLoss(curve, a - less).steps).toBeGreaterThanOrEqual(stepsToLoss(curve, a).steps)
    }),
  )
})

test('in a table: seed by seed, in steps and in seconds', () => {
  const measured = (variant: string, seed: number, steps: number, validationLoss: number, millisecondsPerStep: number): Measurement => ({
    ...{ variant, seed, steps, validationLoss, millisecondsPerStep, tokensPerStep: 1, curve: [] },
    ...{ parameters: 1, activeParameters: 1, flopsPerToken: 1, dropped: 0, looksAhead: false },
  })
  const own = [1, 2].flatMap((seed) => [
    measured('base', seed, 1000, 2, 10),
    measured('better', seed, 1000, 1.9, 20),
    measured('best', seed, 1000, seed === 1 ? 1.9 : 1.7, 10),
    measured('worse', seed, 1000, 3, 10),
  ])
  const reference = [1, 2].flatMap((seed) =>
    points.filter(({ steps }) => steps !== 1000).map(({ steps, loss }) => measured('base', seed, steps, loss, 10)),
  )
  const rows = withSpeedUps(summarize(own), own, reference)
  const rounded = (value = Number.NaN): number => Number(value.toFixed(9))
  expect(rows.map(({ speedUp }) => [rounded(speedUp?.inSteps.mean), rounded(speedUp?.inSeconds.mean), speedUp?.inSteps.place])).toEqual([
    [1, 1, 'measured'],
    [2, 1, 'measured'],
    [3, 3, 'beyond'],
    [0.25, 0.25, 'below'],
  ])
  const table = comparisonTable(rows)
  expect(table).toMatch(/speed-up in steps +in seconds/)
  expect(table).toMatch(/better .* 2\.00 ± 0\.00 +1\.00 ± 0\.00 /)
  expect(table).toMatch(/best .* > 3\.00 ± 1\.41 /)
  expect(table).toMatch(/worse .* < 0\.25 ± 0\.00 /)
  expect(comparisonTable(summarize(own))).not.toContain('speed-up')
  // A seed whose reference is not complete says nothing.
  expect(withSpeedUps(summarize(own), own, reference.slice(0, 3))[1]?.speedUp?.inSteps).toMatchObject({
    spread: Number.NaN,
    place: 'measured',
  })
})
