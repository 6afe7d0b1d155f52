import { createStreams, Linear, ShapeError, type StateDict, tf } from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectGradient } from '../../support'

const streams = createStreams(3)
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('Linear', () => {
  const linear = new Linear(3, 2, streams.init)
  assignParameter(linear.weight, Float32Array.of(1, 2, 3, 4, 5, 6))
  assignParameter(linear.bias as never, Float32Array.of(10, 20))
  test('multiplies and adds', () => {
    expect(linear.forward(tf.tensor2d([[1, 0, -1]])).arraySync()).toEqual([[1 - 5 + 10, 2 - 6 + 20]])
    expect(linear.forward(random(2, 4, 3)).shape).toEqual([2, 4, 2])
  })
  test('has gradients for inputs of any rank', () => {
    expectGradient((x) => linear.forward(x), random(4, 3))
    expectGradient((x) => linear.forward(x), random(2, 2, 3))
  })
  test('a state_dict has the transpose', () => {
    const state: StateDict = new Map()
    linear.saveState(state)
    expect(state.get('weight')).toEqual({ shape: [2, 3], values: Float32Array.of(1, 3, 5, 2, 4, 6) })
  })
  test('refuses another width', () => {
    expect(() => linear.forward(random(2, 4))).toThrow(ShapeError)
    expect(() => linear.forward(random(2, 4))).toThrow(/got an input of shape \[2, 4\], expected its last axis to be 3/)
  })
})
