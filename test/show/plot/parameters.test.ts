import { parameterMap, tf } from 'makemoe'
import { expect, test } from 'vitest'
import { expectLegible } from './legible'

test('parameterMap', () => {
  const figure = parameterMap('model', [
    ['a.weight', tf.variable(tf.zeros([2, 3]))],
    ['a.bias', tf.variable(tf.zeros([3]))],
  ])
  expectLegible(figure)
  expect(figure.data[0]).toMatchObject({ values: [9, 9, 6, 3], parents: ['', 'model', 'model.a', 'model.a'] })
})
