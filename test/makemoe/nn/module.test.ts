/** Modules find their parameters: shared ones once, and none is overlooked. */
import fc from 'fast-check'
import {
  AdamW,
  buffer,
  CheckpointError,
  ConfigError,
  createStreams,
  Embedding,
  Expert,
  gradientsOf,
  LayerNorm,
  Linear,
  loadStateDict,
  Module,
  parameter,
  SparseMoE,
  SparseMoELanguageModel,
  type StateDict,
  stateDictOf,
  type Tensor,
  TopkRouter,
  Trainer,
  tf,
  type Variable,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { expectClose, twoLayers } from '../../support'

const { init: stream } = createStreams(5)
const x = tf.tensor2d([
  [0.5, -1],
  [2, 0.25],
])

/** Applies its children in turn. */
class Chain extends Module {
  readonly nested: readonly (readonly Module[])[]
  constructor(
    readonly first: Module,
    readonly rest: readonly Module[],
    last: readonly Module[],
  ) {
    super()
    this.nested = [last]
  }
  forward(x: Tensor): Tensor {
    return [this.first, ...this.rest, ...this.nested.flat()].reduce((y, child) => (child as Chain).forward(y), x)
  }
}
class Layer extends Module {
  readonly linear = new Linear(2, 2, stream)
  forward(x: Tensor): Tensor {
    return tf.tanh(this.linear.forward(x))
  }
}

/** A drawn tree: which of three layers is applied when; a nested list is a Chain, one object however often it occurs. */
type Tree = number | readonly Tree[]
const { tree } = fc.letrec<{ tree: Tree; chain: readonly Tree[] }>((tie) => ({
  tree: fc.oneof({ withCrossShrink: true, depthSize: 'small' }, fc.nat(2), tie('chain')),
  chain: fc.array(tie('tree'), { minLength: 2, maxLength: 4 }),
}))
const flat = (tree: Tree): number[] => (typeof tree === 'number' ? [tree] : tree.flatMap(flat))

function build(tree: Tree, layers: readonly Layer[], chains = new Map<string, Chain>()): Chain | Layer {
  if (typeof tree === 'number') return layers[tree] as Layer
  const key = JSON.stringify(tree)
  const [first, ...rest] = tree.map((each) => build(each, layers, chains)) as unknown as [Module, ...Module[]]
  const chain = chains.get(key) ?? new Chain(first, rest.slice(0, 1), rest.slice(1))
  chains.set(key, chain)
  return chain
}

describe('a module or parameter that is used twice', () => {
  test('drawn trees: each variable counts once, and one AdamW step is that of a plain tied model', () => {
    fc.assert(
      fc.property(tree, (tree) => {
        const layers = [new Layer(), new Layer(), new Layer()]
        const model = build(tree, layers)
        const used = [...new Set(flat(tree))]
        const weights = used.flatMap((i) => layers[i]?.parameters() ?? [])
        expect(new Set(model.parameters())).toEqual(new Set(weights))
        expect(model.parameters().length).toBe(2 * used.length)
        expect(model.parameterCount()).toBe(6 * used.length)

        const plain = (...w: Tensor[]): Tensor =>
          tf.sum(
            flat(tree).reduce((y, i) => {
              const at = 2 * used.indexOf(i)
              return tf.tanh(tf.add(tf.matMul(y, w[at] as Tensor), w[at + 1] as Tensor))
            }, x as Tensor),
          )
        const before = weights.map((weight) => weight.dataSync<'float32'>().slice())
        const expected = tf
          .grads(plain as never)(weights.map((weight) => tf.clone(weight)))
          .map((gradient) => gradient.dataSync())
        const optimizer = new AdamW(model.namedParameters(), { learningRate: 0.1, weightDecay: 0.5 })
        optimizer.apply(gradientsOf(() => tf.sum(model.forward(x)), model.parameters()).gradients)
        for (const [i, weight] of weights.entries()) {
          const gradients = expected[i] as Float32Array
          // The first step of AdamW: the moments, corrected for their bias, are the gradient and its square.
          const stepped = Array.from(before[i] ?? [], (p, j) => {
            const g = gradients[j] as number
            return p * (1 - 0.1 * 0.5) - (0.1 * g) / (Math.abs(g) + 1e-8)
          })
          if (gradients.every((g) => Math.abs(g) > 1e-4)) expectClose(weight, stepped, 1e-4)
        }
        optimizer.dispose()
        for (const layer of layers) layer.dispose()
      }),
      { numRuns: 40 },
    )
  })
  test('drawn trees: saved under every name, loaded from all names or from any one', () => {
    fc.assert(
      fc.property(tree, fc.nat(), (tree, which) => {
        const [source, target] = [0, 1].map(() => build(tree, [new Layer(), new Layer(), new Layer()])) as [Chain, Chain]
        const state = stateDictOf(source)
        expect(state.size).toBe(2 * flat(tree).length)
        const byValue = new Map<string, string[]>()
        for (const [name, { values }] of state) byValue.set(`${values}`, [...(byValue.get(`${values}`) ?? []), name])
        const single: StateDict = new Map(
          [...byValue.values()].map((names) => {
            const name = names[which % names.length] as string
            return [name, state.get(name) as never]
          }),
        )
        for (const saved of [state, single]) {
          for (const variable of target.parameters()) variable.assign(tf.zerosLike(variable))
          loadStateDict(target, saved)
          expect(stateDictOf(target)).toEqual(state)
        }
      }),
      { numRuns: 40 },
    )
  })
  test('two values for one parameter are refused', () => {
    const layer = new Layer()
    const state = stateDictOf(new Chain(layer, [layer], []))
    state.set('rest.0.linear.bias', { shape: [2], values: Float32Array.of(7, 7) })
    expect(() => loadStateDict(new Chain(layer, [layer], []), state)).toThrow(
      /first\.linear\.bias and rest\.0\.linear\.bias differ, expected the same/,
    )
  })
  test('one variable in two modules of one kind', () => {
    class Tied extends Module {
      readonly a = new Embedding(3, 2, stream)
      readonly b = new Embedding(3, 2, stream)
      constructor() {
        super()
        this.b.weight.dispose()
        Object.assign(this.b, { weight: this.a.weight })
      }
    }
    const model = new Tied()
    expect(model.namedParameters().map(([name]) => name)).toEqual(['a.weight'])
    const state = stateDictOf(model)
    expect([...state.keys()]).toEqual(['a.weight', 'b.weight'])
    state.delete('a.weight')
    const other = new Tied()
    loadStateDict(other, state)
    expect(other.b.weight.dataSync()).toEqual(model.a.weight.dataSync())
  })
  const config = { ...twoLayers, nEmbed: 8, nHead: 2, nLayer: 2, blockSize: 4, numExperts: 4, topK: 2, vocabSize: 5, dropout: 0.1 }
  class Looped extends SparseMoELanguageModel {
    constructor(seed = 1) {
      super(config, createStreams(seed).init)
      Object.assign(this, { blocks: [this.blocks[0], this.blocks[0]] })
    }
  }
  test('a block that is used twice is trained once a step, and counted once', () => {
    const model = new Looped()
    const names = model.namedParameters().map(([name]) => name)
    expect(new Set(model.parameters()).size).toBe(names.length)
    expect(names.some((name) => name.startsWith('blocks.1.'))).toBe(false)
    // A token that passes the block twice chooses twice.
    const moe = model.blocks[0]?.moe as SparseMoE
    expect(moe.activeParameterCount(4)).toBe(moe.parameterCount())
    expect(model.activeParameterCount()).toBe(model.parameterCount())
  })
  test('resumes bit-identically', () => {
    const ids = tf.tensor2d([[0, 1, 2, 3]], [1, 4], 'int32')
    const dataset = { blockSize: 4, randomBatch: () => ({ x: tf.clone(ids), y: tf.clone(ids) }) }
    const make = (seed: number) => {
      const model = new Looped(seed)
      return { model, trainer: new Trainer(model, dataset as never, { ...config, steps: 9, batchSize: 1 }, createStreams(7)) }
    }
    const [whole, half] = [make(1), make(1)]
    for (let i = 0; i < 6; i++) whole.trainer.trainOnce()
    for (let i = 0; i < 3; i++) half.trainer.trainOnce()
    const resumed = make(2)
    loadStateDict(resumed.model, stateDictOf(half.model))
    resumed.trainer.restore(half.trainer.state())
    for (let i = 0; i < 3; i++) resumed.trainer.trainOnce()
    expect(stateDictOf(resumed.model)).toEqual(stateDictOf(whole.model))
  })
  test('an expert that stands in several places is active wherever one of them is chosen', () => {
    const expert = new Expert(2, stream)
    const other = new Layer()
    const router = new TopkRouter(2, 3, 1, stream)
    const moe = new SparseMoE(router, [expert, expert, other as never])
    // Of three choices, two fall on the shared expert.
    const own = router.parameterCount()
    expect(moe.activeParameterCount(1)).toBe(Math.round(own + (2 / 3) * expert.parameterCount() + (1 / 3) * other.parameterCount()))
    expect(moe.activeParameterCount(2)).toBe(Math.round(own + expert.parameterCount() + (2 / 3) * other.parameterCount()))
    expect(moe.activeParameterCount(3)).toBe(moe.parameterCount())
  })
})

describe('where parameters may stand', () => {
  const scale = (): Variable => parameter(tf.ones([3]))
  class Holder extends Module {
    constructor(readonly held: unknown) {
      super()
    }
  }
  test('arrays of variables, and arrays of arrays, are found, saved and loaded', () => {
    const held = [scale(), [new LayerNorm(2), [scale()]], 'text', 3]
    const model = new Holder(held)
    expect(model.namedParameters().map(([name]) => name)).toEqual(['held.0', 'held.1.0.weight', 'held.1.0.bias', 'held.1.1.0'])
    const state = stateDictOf(model)
    expect([...state.keys()]).toEqual(['held.0', 'held.1.0.weight', 'held.1.0.bias', 'held.1.1.0'])
    loadStateDict(new Holder([scale(), [new LayerNorm(2), [scale()]]]), state)
  })
  test('a random stream of its own is refused: its number of draws would not be saved', () => {
    const outer = new (class extends Module {
      readonly inner = new Holder(createStreams(1).noise)
    })()
    for (const use of [() => outer.parameters(), () => outer.saveState(new Map())]) {
      expect(use).toThrow(ConfigError)
      expect(use).toThrow(/inner\.held: got a RandomStream in a module.*expected the streams of the context/)
    }
  })
  test.each<[string, () => unknown, RegExp]>([
    ['a Map', () => new Map([['first', scale()]]), /inner\.held\.first: got a variable of shape \[3\] in a Map/],
    ['a Set', () => new Set([scale()]), /inner\.held\.0: got a variable of shape \[3\] in a Set/],
    ['a plain object', () => ({ first: scale() }), /inner\.held\.first: .* in a plain object/],
    ['a buffer in a plain object', () => ({ first: buffer(tf.ones([3])) }), /inner\.held\.first: .* in a plain object/],
    ['a module in a Map', () => new Map([['first', new LayerNorm(3)]]), /inner\.held\.first: .*\[3\] in a Map/],
    ['an array in a plain object', () => ({ all: [scale()] }), /inner\.held\.all\.0: .* in a plain object/],
    ['a plain object in an array', () => [{ all: scale() }], /inner\.held\.0\.all: .* in a plain object/],
    ['a Map in a Map', () => new Map([['a', new Map([['b', scale()]])]]), /inner\.held\.a\.b: .* in a Map/],
  ])('%s is refused, with the remedy, wherever parameters are wanted', (_name, held, message) => {
    const outer = new (class extends Module {
      readonly inner = new Holder(held())
    })()
    for (const use of [
      () => outer.parameters(),
      () => outer.namedParameters(),
      () => outer.saveState(new Map()),
      () => outer.loadState(new Map()),
    ]) {
      expect(use).toThrow(ConfigError)
      expect(use).toThrow(message)
      expect(use).toThrow(/neither be trained nor saved; expected it in a property of the module, or in an array/)
    }
  })
  test('a Map or a plain object that only refers to what a property holds is fine', () => {
    class Indexed extends Module {
      readonly a = scale()
      readonly b = new LayerNorm(2)
      readonly byName = new Map<string, unknown>([
        ['a', this.a],
        ['b', this.b],
      ])
      readonly options = { b: this.b, activation: tf.relu, shape: [1, 2] }
    }
    expect(new Indexed().parameterCount()).toBe(7)
  })
  test('a module that refers to its parent is walked once', () => {
    class Child extends Module {
      parent?: Module
      readonly w = scale()
    }
    class Parent extends Module {
      readonly child = new Child()
    }
    const parent = new Parent()
    parent.child.parent = parent
    expect(parent.parameterCount()).toBe(3)
  })
})

const streams = createStreams(3)

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
  test('a state that lacks its tensors is refused', () => {
    expect(() => new Pair().loadState(new Map())).toThrow(CheckpointError)
  })
  test('saves and loads under the names of the state_dict', () => {
    const [one, two] = [new Pair(), new Pair()]
    const state: StateDict = new Map()
    one.saveState(state)
    expect([...state.keys()]).toEqual(['first.weight', 'first.bias', 'layers.0.weight', 'scale'])
    two.loadState(state)
    for (const [i, variable] of one.parameters().entries()) expectClose(variable, two.parameters()[i] as never, 1e-12)
  })
  test('dispose frees all', () => {
    const before = tf.memory().numTensors
    new Pair().dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})
