import { coActivationMap, expertLoad, knockOutMap, loadOverTraining, routingNoise } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('expertLoad', () => {
  const figure = expertLoad([
    [3, 1],
    [2, 2],
  ])
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ name: 'expert 0', y: [75, 50] })
})
test('routingNoise', () => {
  const figure = routingNoise([1, 0], [0.75, 0.25])
  expectLegible(figure)
  expect(figure.data[1]).toMatchObject({ y: [75, 25] })
})
test('loadOverTraining', () => {
  const figure = loadOverTraining(
    [0, 10],
    [
      [
        [3, 1],
        [2, 2],
      ],
      [
        [1, 1],
        [0, 4],
      ],
    ],
  )
  expectLegible(figure)
  expect(figure.data[0]?.z).toEqual([
    [1.5, 1],
    [0.5, 1],
    [1, 0],
    [1, 2],
  ])
})
test('coActivationMap', () => {
  const figure = coActivationMap(
    [
      [1, 0.25],
      [Number.NaN, Number.NaN],
    ],
    'Layer 0',
  )
  expectLegible(figure)
  // without the diagonal, and without experts that nobody chose
  expect(figure.data[0]).toMatchObject({
    z: [
      [null, 0.25],
      [null, null],
    ],
  })
})
test('knockOutMap', () => {
  const figure = knockOutMap([[2.1, 2.0, 2.35], undefined], 2)
  expectLegible(figure)
  // a row for each layer with what the loss rises by; a layer that minds no bias is empty
  expect(figure.data[0]).toMatchObject({ z: [[0.1, 0, 0.35], []], x: ['0', '1', '2'], y: ['0', '1'] })
  expect(figure.layout).toMatchObject({
    xaxis: { title: { text: 'expert' } },
    yaxis: { title: { text: 'layer' }, autorange: 'reversed' },
  })
})
