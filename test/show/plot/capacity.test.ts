import { capacityGrid, droppedTokens, exchangeCosts, factorSweep } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('capacityGrid', () => {
  const figure = capacityGrid([[0, 1, 2]])
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ text: [['', 'served', 'dropped']] })
})
test('droppedTokens', () => {
  const figure = droppedTokens({ flat: [0, 0.5] })
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ x: [0, 1], y: [0, 50] })
})
test('factorSweep', () => {
  const figure = factorSweep([
    { factor: 1, dropped: 0.25, loss: 2, milliseconds: 60 },
    { factor: Number.POSITIVE_INFINITY, dropped: 0, loss: 1.9, milliseconds: 70 },
  ])
  expectLegible(figure)
  expect(figure.data[2]).toMatchObject({ x: ['1', 'none'], y: [25, 0] })
})
test('exchangeCosts', () => {
  const figure = exchangeCosts([
    { model: 'free', factor: 1, waited: 5, sent: 2 },
    { model: 'free', factor: Number.POSITIVE_INFINITY, waited: 9, sent: 8 },
    { model: 'balanced', factor: 1, waited: 4, sent: 2 },
  ])
  expectLegible(figure)
  // a color for each model, in both panels; the legend names it once
  expect(figure.data[0]).toMatchObject({ name: 'free', x: ['1', 'none'], y: [5, 9], yaxis: 'y2', showlegend: true })
  expect(figure.data[3]).toMatchObject({ name: 'balanced', x: ['1'], y: [2], yaxis: 'y', showlegend: false })
})
