import { characterExpertMap, characterFrequencies, textByExpert } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('characterFrequencies', () => {
  const figure = characterFrequencies('hello\n')
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ hovertext: ['l', 'h', 'e', 'o', '↵'], y: [2, 1, 1, 1, 1] })
  // every second label stands in a row below
  expect(figure.layout).toMatchObject({ xaxis: { ticktext: ['l', '<br>h', 'e', '<br>o', '↵'] } })
})
test('characterExpertMap', () => {
  const figure = characterExpertMap(
    ['a', '\n'],
    [
      [1, 0],
      [0.5, 0.5],
    ],
    3,
  )
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({
    text: [
      ['a', '↵'],
      ['a', '↵'],
    ],
    z: [
      [1, 0.5],
      [0, 0.5],
    ],
  })
})
test('textByExpert', () => {
  const figure = textByExpert('abc', [0, 1, 0], 2, { layer: 3, columns: 2 })
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({
    z: [
      [0, 1],
      [0, null],
    ],
    text: [
      ['a', 'b'],
      ['c', ''],
    ],
  })
})
