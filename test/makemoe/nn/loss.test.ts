import { crossEntropy, tf } from 'makemoe'
import { crossEntropyRows } from 'makemoe/dist/engine/tensor/cross-entropy'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('crossEntropy', () => {
  test('hand-worked: equal logits give ln V', () => {
    expectClose(crossEntropyRows(tf.zeros([2, 5]), tf.tensor1d([0, 4], 'int32')), [Math.log(5), Math.log(5)], 1e-6)
    expectClose(crossEntropy(tf.tensor3d([[[Math.log(3), 0]]]), tf.tensor2d([[0]], [1, 1], 'int32')), [Math.log(4 / 3)], 1e-6)
  })
  test('gradient', () => expectGradient((x) => crossEntropy(x, tf.tensor1d([2, 0, 1], 'int32')), random(3, 4)))
  test('refuses shapes that do not fit', () => {
    expect(() => crossEntropy(tf.zeros([2, 3, 5]), tf.zeros([2, 4], 'int32'))).toThrow(/got logits \[2, 3, 5\] and targets \[2, 4\]/)
  })
})
