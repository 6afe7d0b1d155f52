import { attentionHeatmap, gatesHeatmap } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('attentionHeatmap', () => {
  const figure = attentionHeatmap(
    [
      [1, 0],
      [0.25, 0.75],
    ],
    ['a', ' '],
  )
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({
    x: ['0: a', '1: ␣'],
    z: [
      [1, null], // masked, which is not a weight of 0
      [0.25, 0.75],
    ],
  })
})
test('gatesHeatmap', () => {
  const figure = gatesHeatmap([[1, 0]], [[0.6, 0.4]])
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ z: [[1, null]] })
})
