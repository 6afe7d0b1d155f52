import { customGradient, type Tensor, tf } from 'makemoe'
import { expect, test } from 'vitest'

test('customGradient uses the gradient that it is given', () => {
  const f = (x: Tensor) =>
    customGradient(
      [x],
      (x) => ({ value: tf.square(x), save: [x] }),
      (dy, [x]) => [tf.mul(dy, tf.mul(x, 100))],
    )
  expect(
    tf
      .grad(f)(tf.tensor1d([1, 2]))
      .arraySync(),
  ).toEqual([100, 200])
})
