import { LayerNorm, tf } from 'makemoe'
import { layerNorm } from 'makemoe/dist/engine/tensor/row-norm'
import { describe, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('LayerNorm', () => {
  test('hand-worked: [1, 3] becomes [-1, 1] / sqrt(1 + eps)', () => {
    const expected = 1 / Math.sqrt(1 + 1e-5)
    expectClose(new LayerNorm(2).forward(tf.tensor2d([[1, 3]])), [-expected, expected], 1e-6)
  })
  test('gradients of input, gain and bias', () => {
    const [gain, bias, x] = [random(5), random(5), random(3, 5)]
    expectGradient((x) => layerNorm(x, gain, bias, 1e-5), x)
    expectGradient((gain) => layerNorm(x, gain, bias, 1e-5), gain)
    expectGradient((bias) => layerNorm(x, gain, bias, 1e-5), bias)
  })
})
