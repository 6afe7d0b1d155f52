import { LayerNorm, RmsNorm, ShapeError, tf } from 'makemoe'
import { expect, test } from 'vitest'

test.each([
  ['LayerNorm', new LayerNorm(4)],
  ['RmsNorm', new RmsNorm(4)],
])('%s refuses rows of another size, those that a gain could be broadcast to among them', (name, norm) => {
  for (const shape of [[2, 3], [2, 1], [2, 2, 5], []]) {
    expect(() => norm.forward(tf.ones(shape))).toThrow(ShapeError)
    expect(() => norm.forward(tf.ones(shape))).toThrow(`${name}: got shape [${shape.join(', ')}], expected rows of 4`)
  }
})
