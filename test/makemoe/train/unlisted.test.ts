/** Variables that a model does not list, and gradients that an op does not have, in a training step. */
import {
  AdamW,
  compile,
  createStreams,
  gradientsOf,
  Linear,
  Module,
  parameter,
  presets,
  SparseMoELanguageModel,
  type Tensor,
  tf,
} from 'makemoe'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { twoLayers } from '../../support'

const config = { ...twoLayers, nEmbed: 8, nHead: 2, nLayer: 2, blockSize: 4, numExperts: 2, topK: 1, vocabSize: 5, dropout: 0 }
const ids = tf.tensor2d([[0, 1, 2, 3]], [1, 4], 'int32')

const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
afterEach(() => warn.mockClear())

/** Three steps of a model, as a graph or eagerly, with a report among them. */
function train(model: SparseMoELanguageModel, fast: boolean): void {
  const streams = createStreams(2)
  const optimizer = new AdamW(model.namedParameters())
  const [step, reporting] = [false, true].map((reports) => {
    const step = makeTrainStep(model, optimizer, streams, { reporting: reports })
    return fast ? compile(step) : step
  })
  for (const each of [step, reporting, step]) tf.dispose(each?.(ids, ids) as never)
}

describe.each([false, true])('variables that the model does not list (compiled: %s)', (fast) => {
  test.each(['default', 'makemoe'] as const)('nothing is said of the preset %s', (name) => {
    train(new SparseMoELanguageModel({ ...presets[name], ...config }, createStreams(1).init), fast)
    expect(warn).not.toHaveBeenCalled()
  })
  test('a trainable variable that the model does not list is noticed', () => {
    const hidden = parameter(tf.ones([8]))
    class Scaled extends Module {
      readonly #scale = hidden
      forward(x: Tensor): Tensor {
        return tf.mul(x, this.#scale)
      }
    }
    train(new SparseMoELanguageModel(config, createStreams(1).init, { expert: () => new Scaled() }), fast)
    expect(warn.mock.calls.flat().join()).toMatch(/depends on 1 trainable variables that the model does not list, the first of shape \[8\]/)
  })
})

describe('an op without a gradient', () => {
  class Thresholded extends Module {
    readonly linear = new Linear(8, 8, createStreams(1).init)
    forward(x: Tensor): Tensor {
      return tf.cast(tf.less(this.linear.forward(x), 0), 'float32')
    }
  }
  test.each([false, true])('is named with its module, its line and the remedy (compiled: %s)', (fast) => {
    let caught: Error | undefined
    try {
      train(new SparseMoELanguageModel(config, createStreams(1).init, { expert: () => new Thresholded() }), fast)
    } catch (error) {
      caught = error as Error
    }
    expect(caught?.message).toMatch(
      /cannot trace the gradient of (Less|Cast): .*tf\.stopGradient\(x\)\n {2}in blocks\.\d\.moe\.experts\.\d: Thresholded/,
    )
    expect(fast ? caught?.message : caught?.stack).toMatch(/\n +at .*Thresholded.*unlisted\.test\.ts:\d+/)
  })
  test('behind tf.stopGradient it is fine', () => {
    const w = parameter(tf.scalar(2))
    const { gradients } = gradientsOf(() => tf.mul(w, tf.cast(tf.less(tf.stopGradient(w), 3), 'float32')), [w])
    expect(gradients[0]?.dataSync()[0]).toBe(1)
  })
})
