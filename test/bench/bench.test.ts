import { expect, test } from 'vitest'
import { growthFigure } from './growth'
import { forwardFlops, sizes } from './sizes'

test('the arithmetic of a size is counted product by product', () => {
  const tiny = { nEmbed: 2, nHead: 1, nLayer: 1, blockSize: 2, numExperts: 3, topK: 1, batchSize: 1 }
  // Multiply-adds of 2 tokens: qkv 2 x 6 and output 2 x 2 each; scores and values of 1 and 2 keys of width 2; an expert 2 x 8 and 8 x 2 each;
  // the router 2 x 3 each, twice with its noise; the head 2 x 65 each.
  const attention = 2 * (1 + 2) * 2
  const products = 2 * (12 + 4) + attention + 2 * (16 + 16) + 2 * 130
  expect(forwardFlops(tiny, false)).toBe(2 * (products + 2 * 6))
  expect(forwardFlops(tiny, true)).toBe(2 * (products + 2 * 12))
})
test('a default step takes 8.23 GFLOP', () => expect((3 * forwardFlops(sizes.default, true)) / 1e9).toBeCloseTo(8.23, 2))

test('the figure of growth has a panel for each dimension and a line for each program', () => {
  const points = ['context', 'width'].flatMap((dimension) =>
    ['ours', 'theirs'].flatMap((who) =>
      [1, 2].flatMap((value) =>
        ['step', 'evaluation'].map((what) => ({ dimension, value, who, what, ms: 10 * value, peakMB: 100 * value })),
      ),
    ),
  )
  const { data, layout } = growthFigure(points)
  expect(data).toHaveLength(3 * 2 * 2)
  expect(data[0]).toMatchObject({ name: 'ours', x: [1, 2], y: [10, 20], showlegend: true })
  expect(data.at(-1)).toMatchObject({ name: 'theirs', x: [1, 2], y: [100, 200], xaxis: 'x6', showlegend: false })
  expect(Object.keys(layout).filter((key) => /^[xy]axis/.test(key))).toHaveLength(12)
})
