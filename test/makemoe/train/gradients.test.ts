import { gradientsOf, tf, type Variable } from 'makemoe'
import { clipped, globalNorm } from 'makemoe/dist/makemoe/train/gradients'
import { expect, test } from 'vitest'

test('gradientsOf gives zeros for what the loss does not reach', () => {
  const [a, b] = [tf.variable(tf.scalar(3)), tf.variable(tf.scalar(5))]
  const { loss, gradients } = gradientsOf(() => tf.square(a), [a, b])
  expect([loss, ...gradients].map((x) => x.dataSync()[0])).toEqual([9, 6, 0])
})

test('gradientsOf names by position what the loss does not reach', () => {
  const [a, b, c] = [3, 5, 7].map((value) => tf.variable(tf.scalar(value))) as [Variable, Variable, Variable]
  const positions: (readonly number[])[] = []
  gradientsOf(
    () => tf.square(b),
    [a, b, c],
    (unreached) => positions.push(unreached),
  )
  gradientsOf(
    () => tf.add(tf.mul(a, b), c),
    [a, b, c],
    (unreached) => positions.push(unreached),
  )
  expect(positions).toEqual([[0, 2]])
})

test('globalNorm is the root of the sum of all squares', () => {
  expect(globalNorm([tf.tensor1d([1, 2]), tf.scalar(2)]).dataSync()[0]).toBeCloseTo(3, 6)
})

test('clipped scales to the norm, and leaves shorter gradients alone', () => {
  const gradients = [tf.tensor1d([3, 0]), tf.scalar(4)]
  const numbers = (most: number) => clipped(gradients, globalNorm(gradients), most).flatMap((gradient) => [...gradient.dataSync()])
  for (const [i, value] of [0.6, 0, 0.8].entries()) expect(numbers(1)[i]).toBeCloseTo(value, 5)
  expect(numbers(6)).toEqual([3, 0, 4])
})

test('a loss that throws on the way leaves nothing that was saved for the backward pass', () => {
  const a = tf.variable(tf.scalar(3))
  const failing = (): never => {
    tf.square(a)
    throw new Error('on the way')
  }
  const { numTensors } = tf.memory()
  expect(() => gradientsOf(failing, [a])).toThrow('on the way')
  expect(tf.memory().numTensors).toBe(numTensors)
})
