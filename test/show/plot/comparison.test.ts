/** Figures of a comparison. */
import { churnCurves, comparisonCurves, comparisonLosses } from 'makemoe'
import { describe, expect, test } from 'vitest'
import { measurements } from '../../lab/measured'
import { expectClose } from '../../support'

describe('comparison figures', () => {
  test('the figures: one line for each variant, over a band of its seeds; against arithmetic and time as well', () => {
    const curves = measurements.map((each) => ({
      ...each,
      curve: [0, 5].map((step) => ({ step, trainLoss: 0, validationLoss: each.validationLoss - step / 10 })),
    }))
    const { data } = comparisonCurves(curves)
    expect(data.map(({ name }) => name)).toEqual([
      'base (3 seeds), spread',
      'better (3 seeds), spread',
      'same (3 seeds), spread',
      'base (3 seeds)',
      'better (3 seeds)',
      'same (3 seeds)',
    ])
    expect(data[3]).toMatchObject({ x: [0, 5], y: [2.2, 1.7] })
    expectClose(comparisonCurves(curves, 'FLOPs').data[3]?.x as number[], [0, (5 * 3 * 3e6 * 100) / 1e12], 1e-9)
    expectClose(comparisonCurves(curves, 'seconds').data[3]?.x as number[], [0, 0.1], 1e-9)
  })
  test('the figure of final losses: a dot for each seed, a bar for each mean, the first variant as the line', () => {
    const { data, layout } = comparisonLosses(measurements)
    const names = ['base', 'better', 'same (looks ahead)']
    const [first, , , bars] = data
    expect(data.map(({ name }) => name)).toEqual(['seed 1', 'seed 2', 'seed 3', 'mean'])
    expect([first?.x, first?.y]).toEqual([[2, 1.9, 2.1], names])
    expect(bars?.y).toEqual(names)
    expectClose(bars?.x as number[], [2.2, 2.1, 2.2], 1e-12)
    expect(layout).toMatchObject({ yaxis: { categoryarray: names, autorange: 'reversed' } })
    expect((layout.shapes as { x0: number }[])[0]?.x0).toBeCloseTo(2.2, 12)
  })
})

test('churn: the mean of the seeds at each evaluation, variants without it left out', () => {
  const curve = (...shares: (number | undefined)[]) => shares.map((churn, i) => ({ step: 10 * i, churn }))
  const figure = churnCurves([
    { variant: 'topk', curve: curve(undefined, 0.5, 0.25) },
    { variant: 'topk', curve: curve(undefined, 0.25, 0.25) },
    { variant: 'dense', curve: curve(undefined, undefined) },
  ])
  expect(figure?.data).toEqual([expect.objectContaining({ name: 'topk', x: [10, 20], y: [0.375, 0.25] })])
  expect(churnCurves([{ variant: 'dense', curve: curve(undefined, undefined) }])).toBeUndefined()
})
