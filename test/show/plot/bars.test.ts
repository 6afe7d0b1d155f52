import { bars } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('bars', () => {
  const figure = bars('Time', 'time (ms)', { eager: 3, graph: 1 })
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ x: ['eager', 'graph'], y: [3, 1], text: ['3.00', '1.00'] })
})
