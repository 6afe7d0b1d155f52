import {
  CheckpointError,
  type Context,
  createStreams,
  crossEntropy,
  customGradient,
  dropout,
  Embedding,
  type Initializer,
  kaimingNormal,
  LayerNorm,
  Linear,
  lecunNormal,
  Module,
  normalInit,
  parameter,
  ShapeError,
  type StateDict,
  type Tensor,
  tf,
  xavierNormal,
  zeros,
} from 'makemoe'
import { crossEntropyRows } from 'makemoe/dist/engine/tensor/cross-entropy'
import { applyMask, dropoutMask } from 'makemoe/dist/engine/tensor/dropout-mask'
import { layerNorm } from 'makemoe/dist/engine/tensor/row-norm'
import { uniformBias } from 'makemoe/dist/makemoe/nn/initializers'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { takeState, transposed } from 'makemoe/dist/makemoe/nn/state-tensors'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const streams = createStreams(3)
const training: Context = { training: true, streams }
const evaluating: Context = { training: false, streams }
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

describe('Embedding', () => {
  const embedding = new Embedding(3, 2, streams.init)
  assignParameter(embedding.weight, Float32Array.of(0, 1, 2, 3, 4, 5))
  test('looks rows up', () =>
    expect(embedding.forward(tf.tensor1d([2, 0], 'int32')).arraySync()).toEqual([
      [4, 5],
      [0, 1],
    ]))
  test('sums the gradients of a row that is used twice', () => {
    const { grads } = tf.variableGrads(() => tf.sum(embedding.forward(tf.tensor1d([1, 1, 2], 'int32'))).asScalar(), [embedding.weight])
    expect(Object.values(grads)[0]?.arraySync()).toEqual([
      [0, 0],
      [2, 2],
      [1, 1],
    ])
  })
})

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

describe('dropout', () => {
  test('zeroes a share of rate and scales the rest, in training alone', () => {
    const mask = dropoutMask([200, 501], 0.25, streams.dropout)
    const values = mask.dataSync()
    const kept = values.filter((value) => value !== 0)
    for (const value of kept.slice(0, 50)) expect(value).toBeCloseTo(4 / 3, 6)
    expect(1 - kept.length / values.length).toBeCloseTo(0.25, 2)
    expect(mask.shape).toEqual([200, 501])
    const x = random(4, 4)
    expect(dropout(x, 0.5, evaluating)).toBe(x)
    expect(dropout(x, 0, training)).toBe(x)
  })
  test('draws anew each time', () => {
    const draw = () => Array.from(dropoutMask([64], 0.5, streams.dropout).dataSync())
    expect(draw()).not.toEqual(draw())
  })
  test('the gradient passes through the mask', () => {
    const mask = tf.tensor1d([0, 2, 2])
    expect(
      tf
        .grad((x) => applyMask(x, mask))(tf.tensor1d([1, 2, 3]))
        .arraySync(),
    ).toEqual([0, 2, 2])
  })
})

describe('initializers', () => {
  const deviation = (init: Initializer) => {
    const values = Array.from(init(streams.init, 400, 200).dataSync())
    return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
  }
  test.each([
    ['kaimingNormal', kaimingNormal, Math.sqrt(2 / 400)],
    ['lecunNormal', lecunNormal, Math.sqrt(1 / 400)],
    ['xavierNormal', xavierNormal, Math.sqrt(2 / 600)],
    ['normalInit(0.3)', normalInit(0.3), 0.3],
  ] as const)('%s has its deviation within 2 %%', (_name, init, expected) => {
    expect(Math.abs(deviation(init) / expected - 1)).toBeLessThan(0.02)
  })
  test('zeros are zero', () => expect(deviation(zeros)).toBe(0))
  test('uniformBias lies within 1 / sqrt(fanIn)', () => {
    const values = uniformBias(streams.init, 100, 5000).dataSync()
    expect(Math.max(...values)).toBeLessThanOrEqual(0.1)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.1)
    expect(Math.max(...values)).toBeGreaterThan(0.099)
  })
})

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

describe('Module', () => {
  class Pair extends Module {
    readonly first = new Linear(2, 3, streams.init)
    readonly many = [new Linear(3, 1, streams.init, { bias: false })]
    readonly scale = parameter(tf.scalar(2))
    protected override readonly stateNames = { many: 'layers' }
  }
  test('finds its parameters by name', () => {
    const pair = new Pair()
    expect(pair.namedParameters().map(([name]) => name)).toEqual(['first.weight', 'first.bias', 'many.0.weight', 'scale'])
    expect(pair.parameterCount()).toBe(6 + 3 + 3 + 1)
    expect(pair.describe()).toMatch(/Pair \(13\)\n {2}first: Linear \(9\)/)
  })
  test('saves and loads under the names of the state_dict', () => {
    const [one, two] = [new Pair(), new Pair()]
    const state: StateDict = new Map()
    one.saveState(state)
    expect([...state.keys()]).toEqual(['first.weight', 'first.bias', 'layers.0.weight', 'scale'])
    two.loadState(state)
    for (const [i, variable] of one.parameters().entries()) expectClose(variable, two.parameters()[i] as never, 1e-12)
  })
  test('a missing tensor and a wrong shape are named', () => {
    expect(() => new Pair().loadState(new Map())).toThrow(CheckpointError)
    expect(() => takeState(new Map(), 'a.b', [2])).toThrow(/no tensor a\.b, expected one of shape \[2\]/)
    expect(() => takeState(new Map([['a', { shape: [3], values: new Float32Array(3) }]]), 'a', [2])).toThrow(
      /a has shape \[3\], expected \[2\]/,
    )
  })
  test('dispose frees all', () => {
    const before = tf.memory().numTensors
    new Pair().dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})

test('transposed', () => expect([...transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]))

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
