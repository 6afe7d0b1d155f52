import { lossCurves, publishedCurves, reportedCurves, reportedLoss, smoothed } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('lossCurves', () => {
  const figure = lossCurves([{ name: 'train', steps: [0, 1, 2], losses: [4, 3, Number.NaN] }, publishedCurves.dropless])
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ x: [0, 1, 2], y: [4, 3, null] })
  expect(figure.data[1]).toMatchObject({ line: { dash: 'dot' } })
  const published = lossCurves([publishedCurves.capacity, publishedCurves.dropless]).data as { line: { dash: string } }[]
  expect(published[0]?.line.dash).not.toBe(published[1]?.line.dash)
})
test('reportedCurves', () => {
  const figure = reportedCurves({ 'layer_0/z': { steps: [0, 10], values: [1, 2] } }, 'z')
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ name: 'layer_0/z', x: [0, 10], y: [1, 2] })
})
test('reportedLoss: a curve of what was reported, an empty one where nothing was', () => {
  const reports = new Map([['val_loss', { steps: [0, 10], values: [4, 3] }]])
  expect(reportedLoss(reports, 'val_loss', 'validation')).toEqual({ name: 'validation', steps: [0, 10], losses: [4, 3] })
  expect(reportedLoss(reports, 'train_loss', 'train')).toEqual({ name: 'train', steps: [], losses: [] })
})
test('smoothed is the running mean, at the start over the newer half', () => {
  expect(smoothed([1, 3, 5, 7], 2)).toEqual([1, 3, 4, 6])
  expect(smoothed([8, 6, 4, 2, 0, 1], 4)).toEqual([8, 6, 5, 3, 2, 1])
})
test('the axes of loss curves fit the run: all of a short one, not the first losses of a long one', () => {
  const range = (curve: { steps: number[]; losses: number[] }) => {
    const { xaxis, yaxis } = lossCurves([{ name: 'run', ...curve }, publishedCurves.dropless]).layout as Record<
      string,
      { range: [number, number] }
    >
    return { x: xaxis?.range ?? [0, 0], y: yaxis?.range ?? [0, 0] }
  }
  const short = range({ steps: [0, 30, 59], losses: [9, 4, 3] })
  expect(short.x[1]).toBeLessThan(70)
  expect(short.y[0]).toBeLessThan(3)
  expect(short.y[1]).toBeGreaterThan(9)
  const long = range({ steps: Array.from({ length: 51 }, (_, i) => 100 * i), losses: [9, ...new Array(50).fill(2)] })
  expect(long.x[1]).toBeGreaterThan(5000)
  expect(long.y[1]).toBeLessThan(5)
})
