import {
  AdamW,
  Block,
  type Context,
  createStreams,
  Expert,
  gradientsOf,
  type Module,
  MultiHeadAttention,
  NoisyTopkRouter,
  presets,
  SparseMoE,
  SparseMoELanguageModel,
  type StateDict,
  type Tensor,
  tf,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { expectClose, fixture, givenStreams } from '../../support'

// PyTorch's numbers, made by test/pytorch/goldens.py. Sizes: B 3, T 6, C 8, H 2, E 4, K 2.
const [C, H, T, E, K] = [8, 2, 6, 4, 2]
const dropout = 0.25
const stream = createStreams(1).init

const makeMoE = (capacityFactor?: number): SparseMoE =>
  new SparseMoE(
    new NoisyTopkRouter(C, E, K, stream, 'always'),
    Array.from({ length: E }, () => new Expert(C, stream)),
    { dropout, capacityFactor, capacityMode: 'always', minCapacity: 0, dropPolicy: 'order' },
  )
const makeAttention = (): MultiHeadAttention => new MultiHeadAttention(C, H, T, stream, { dropout, scale: 'nEmbed' })

/** The gradients of a module's parameters in PyTorch's names and layouts: the parameters are replaced by them, and saved. */
function gradientState(module: Module, gradients: readonly Tensor[]): StateDict {
  for (const [i, parameter] of module.parameters().entries()) parameter.assign(gradients[i] as Tensor)
  const state: StateDict = new Map()
  module.saveState(state)
  return state
}

function compareState(actual: StateDict, expected: StateDict, tolerance = 1e-5): void {
  for (const [name, { values }] of expected) expectClose(actual.get(name)?.values ?? [], values, tolerance, name)
}

function compareModule(name: string, module: Module, forward: (x: Tensor, ctx: Context) => Tensor): void {
  const golden = fixture(name)
  const weights = golden.part('weight')
  module.loadState(weights)
  expect([...weights.keys()]).toEqual([])
  const queue = (kind: string): Tensor[] => [...golden.part(kind).keys()].sort().map((key) => golden.tensor(`${kind}.${key}`))
  const context = (): Context => ({ training: true, streams: givenStreams(queue('noise'), queue('mask')) })

  expectClose(forward(golden.tensor('in.x'), context()), golden.tensor('out.y'))
  const x = tf.variable(golden.tensor('in.x'))
  const loss = (): Tensor => tf.sum(tf.mul(forward(x, context()), golden.tensor('in.dy')))
  const { gradients } = gradientsOf(loss, [x, ...module.parameters()])
  expectClose(gradients[0] as Tensor, golden.tensor('grad.x'), 1e-5, 'grad.x')
  const expected = golden.part('grad')
  expected.delete('x')
  compareState(gradientState(module, gradients.slice(1)), expected)
}

describe('modules agree with PyTorch to 1e-5: outputs and every gradient', () => {
  test('attention, with dropout', () => {
    const attention = makeAttention()
    compareModule('attention', attention, (x, ctx) => attention.forward(x, ctx))
  })
  test('noisy top-k router', () => {
    const router = new NoisyTopkRouter(C, E, K, stream, 'always')
    compareModule('router', router, (x, ctx) => router.forward(x, ctx).allGates)
  })
  test.each([
    ['sparse-moe', undefined],
    ['sparse-moe-capacity', 1],
    ['sparse-moe-half', 0.5],
  ])('%s', (name, capacityFactor) => {
    const moe = makeMoE(capacityFactor)
    compareModule(name, moe, (x, ctx) => moe.forward(x, ctx))
  })
  test('block', () => {
    const block = new Block(C, makeAttention(), makeMoE())
    compareModule('block', block, (x, ctx) => block.forward(x, ctx))
  })
})

describe.each([
  ['model', undefined],
  ['model-capacity', 1],
])('%s agrees with PyTorch', (name, capacityFactor) => {
  test('logits, ten losses, gradients, and the weights after ten AdamW steps', () => {
    const golden = fixture(name)
    const config = {
      ...presets.makemoe,
      nEmbed: C,
      nHead: H,
      blockSize: T,
      nLayer: 2,
      numExperts: E,
      topK: K,
      dropout,
      capacityFactor,
      vocabSize: 11,
    }
    const model = new SparseMoELanguageModel(config, stream)
    model.loadState(golden.part('weight'))
    const parameters = model.parameters()
    const optimizer = new AdamW(model.namedParameters())
    const losses: number[] = []
    for (let step = 0; step < 10; step++) {
      const queue = (kind: string): Tensor[] =>
        [...golden.part(`${kind}.${step}`).keys()]
          .sort((a, b) => Number(a) - Number(b))
          .map((key) => golden.tensor(`${kind}.${step}.${key}`))
      const x = tf.cast(golden.tensor(`in.x${step}`), 'int32')
      const y = tf.cast(golden.tensor(`in.y${step}`), 'int32')
      const context = (): Context => ({ training: true, streams: givenStreams(queue('noise'), queue('mask')) })
      const { loss, gradients } = gradientsOf(() => model.loss(x, y, context()), parameters)
      if (step === 0) {
        expectClose(model.forward(x, context()), golden.tensor('out.logits'))
        const before: StateDict = new Map()
        model.saveState(before)
        compareState(gradientState(model, gradients), golden.part('grad'), 1e-5)
        model.loadState(before)
      }
      optimizer.apply(gradients)
      losses.push(loss.dataSync()[0] as number)
    }
    expectClose(losses, golden.values('out.losses'))
    const after: StateDict = new Map()
    model.saveState(after)
    compareState(after, golden.part('after'), 1e-5)
  })
})
