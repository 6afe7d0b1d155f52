import { AdamW, type Context, compile, createStreams, type Tensor, Trainer, tf } from 'makemoe'
import type { Compile } from 'makemoe/dist/makemoe/train/compile'
import { readNumbers } from 'makemoe/dist/makemoe/train/metrics'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import { describe, expect, test } from 'vitest'
import { cases } from '../../support'
import { setUp } from './small-model'

test('makeTrainStep lowers the loss', () => {
  const { model, streams, dataset } = setUp({ dropout: 0, nLayer: cases(1, 2) })
  const step = makeTrainStep(model, new AdamW(model.namedParameters()), streams)
  const { x, y } = dataset.randomBatch('train', 4, streams.data)
  const losses = Array.from({ length: 60 }, () => readNumbers(step(x, y)).loss as number)
  expect(losses[59]).toBeLessThan((losses[0] as number) - 0.5)
})

describe('what a step reports', () => {
  /** A model of one weight w with the loss w^2; `report` is its forward pass's part in it. */
  const square = (report: (w: Tensor, ctx: Context) => void, start = 3) => {
    const weight = tf.variable(tf.scalar(start))
    const loss = (_x: Tensor, _y: Tensor, ctx: Context): Tensor => {
      report(weight, ctx)
      return tf.square(weight)
    }
    return { weight, loss, namedParameters: () => [['weight', weight] as const] }
  }
  const streams = createStreams(1)
  const [x, y] = [tf.zeros([1, 1], 'int32'), tf.zeros([1, 1], 'int32')]
  const numbers = (report: (w: Tensor, ctx: Context) => void, reporting: boolean, wrap: Compile = (fn) => fn) => {
    const model = square(report)
    return readNumbers(wrap(makeTrainStep(model, new AdamW(model.namedParameters()), streams, { reporting }))(x, y))
  }
  test('the loss alone, unless it reports', () => {
    expect(numbers(() => {}, false)).toEqual({ loss: 9 })
    const reported = numbers(() => {}, true)
    expect(reported).toEqual({ loss: 9, gradient_norm: expect.closeTo(6, 5) })
  })
  test.each([
    ['eager', (fn) => fn],
    ['compiled', compile],
  ] as [string, Compile][])('%s: auxiliary losses are summed by name, move the gradient, and are reported apart', (_how, wrap) => {
    const twoLayers = (w: Tensor, ctx: Context): void => {
      ctx.addLoss?.('switch', tf.mul(w, 2))
      ctx.addLoss?.('switch', tf.mul(w, 3))
      ctx.addLoss?.('z', tf.scalar(10))
    }
    const reported = numbers(twoLayers, true, wrap)
    // w = 3: 9 + 15 + 10; the gradient is 2w + 5.
    expect(reported).toEqual({ loss: 9, 'loss/switch': 15, 'loss/z': 10, objective: 34, gradient_norm: expect.closeTo(11, 5) })
  })
  test.each([
    ['eager', (fn) => fn],
    ['compiled', compile],
  ] as [string, Compile][])(
    '%s: any part reports numbers and vectors under its own name; several reports of a name are averaged',
    (_how, wrap) => {
      const parts = (w: Tensor, ctx: Context): void => {
        ctx.report?.('weight', w)
        ctx.report?.('layer_0/z', tf.mul(w, 2))
        ctx.report?.('layer_0/z', tf.mul(w, 4))
        ctx.report?.('layer_1/share', tf.tensor1d([1, 2], 'int32'))
      }
      expect(numbers(parts, true, wrap)).toMatchObject({ weight: 3, 'layer_0/z': 9, 'layer_1/share_0': 1, 'layer_1/share_1': 2 })
      expect(Object.keys(numbers(parts, false, wrap))).toEqual(['loss'])
    },
  )
  test('a matrix is no report, a vector no loss', () => {
    expect(() => numbers((_w, ctx) => ctx.report?.('map', tf.zeros([2, 2])), true)).toThrow(/report map: got shape \[2,2\]/)
    expect(() => numbers((_w, ctx) => ctx.addLoss?.('switch', tf.zeros([2])), true)).toThrow(/loss\/switch: got shape \[2\]/)
  })
  test('reporting does not change the training, to the bit', () => {
    const weights = (interval: number) => {
      const { model, dataset, config, streams } = setUp({ steps: 9, nLayer: cases(1, 2) })
      const trainer = new Trainer(model, dataset, config, streams, { compile })
      for (let i = 0; i < 9; i++) trainer.trainOnce(i % interval === 0)
      return model.parameters().map((parameter) => Array.from(parameter.dataSync()))
    }
    expect(weights(3)).toEqual(weights(100))
  })
  test('the routing of every layer, and nothing is left behind', () => {
    const { model, dataset, config, streams } = setUp({ capacityFactor: 0.5 })
    const trainer = new Trainer(model, dataset, config, streams)
    const reported = trainer.trainOnce(true)
    const load = Object.entries(reported).filter(([name]) => name.startsWith('routing/layer_1/load_'))
    expect(load).toHaveLength(4)
    expect(load.reduce((sum, [, value]) => sum + value, reported['routing/layer_1/dropped'] as number)).toBe(2 * 4 * 8)
    expect(reported['routing/layer_0/dropped']).toBeGreaterThan(0)
    const { numTensors } = tf.memory()
    for (let i = 0; i < 5; i++) trainer.trainOnce(true)
    expect(tf.memory().numTensors).toBe(numTensors)
    const made = tf.memory().numTensors
    trainer.dispose()
    expect(tf.memory().numTensors).toBeLessThan(made)
  })
})
