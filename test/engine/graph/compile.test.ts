import { runInThisContext } from 'node:vm'
import {
  AdamW,
  type Compiled,
  type Context,
  compile,
  concatRows,
  createStreams,
  dropout,
  generate,
  gradientsOf,
  Linear,
  Module,
  type NamedParameter,
  Optimizer,
  presets,
  type RandomStream,
  type RouterModule,
  SparseMoELanguageModel,
  splitRows,
  type Tensor,
  TraceError,
  tf,
  topKGating,
} from 'makemoe'
import { keepCell } from 'makemoe/dist/base/cells'
import { multiOp } from 'makemoe/dist/engine/tensor/op'
import { defaultThreads } from 'makemoe/dist/engine/tensorflow/context'
import type { GenerationStep } from 'makemoe/dist/makemoe/model/sampler'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import { describe, expect, test } from 'vitest'
import { cases, expectClose } from '../../support'

const base = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 } as const
type Components = ConstructorParameters<typeof SparseMoELanguageModel>[2]
type ModelConfig = ConstructorParameters<typeof SparseMoELanguageModel>[0]

const batch = (seed: number, B = 4, T = 8) => {
  const ids = createStreams(seed).data.integers([B, T + 1], 0, 11)
  return { x: tf.slice(ids, [0, 0], [B, T]), y: tf.slice(ids, [0, 1], [B, T]) }
}

/** A model with its compiled or eager steps; the same seed gives the same start. */
function setUp(
  compiled: boolean,
  config: ModelConfig = base,
  components: Components = {},
  makeOptimizer = (p: readonly NamedParameter[]): Optimizer => new AdamW(p),
) {
  const streams = createStreams(7)
  const model = new SparseMoELanguageModel(config, streams.init, components)
  const fast = <F extends (...args: never[]) => unknown>(fn: F): F => (compiled ? (compile(fn as never) as unknown as F) : fn)
  const train = fast(makeTrainStep(model, makeOptimizer(model.namedParameters()), streams))
  const evaluate = fast((x: Tensor, y: Tensor) => tf.tidy(() => model.loss(x, y, { training: false, streams })))
  return { model, streams, train, evaluate }
}

const number = (x: Tensor) => x.dataSync()[0] as number

const steps = cases(10, 20)

/** Training steps with an evaluation after each fifth: the losses. */
function run(compiled: boolean, ...rest: [ModelConfig?, Components?, ((p: readonly NamedParameter[]) => Optimizer)?]): number[] {
  const { train, evaluate } = setUp(compiled, ...rest)
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    const { x, y } = batch(step)
    losses.push(number(train(x, y).loss as Tensor))
    if (step % 5 === 4) losses.push(number(evaluate(x, y)))
  }
  return losses
}

const { capacityMode, minCapacity, dropPolicy } = presets.makemoe
const original = { capacityMode, minCapacity, dropPolicy }

describe('eager and graph give the same numbers', () => {
  // Within 1e-6 relative a step: TensorFlow fuses matmul, bias and ReLU in graphs, which rounds differently; training amplifies it.
  test.each([
    ['default', base],
    ['makemoe', { ...base, ...presets.makemoe, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 }],
    ['capacity by rank', { ...base, capacityFactor: 1 }],
    ['capacity in flat order', { ...base, capacityFactor: 0.5, ...original }],
    ['no dropout, two experts of three', { ...base, dropout: 0, numExperts: 3 }],
  ])(`%s: ${steps} steps, and an evaluation after each fifth`, (_name, config) => {
    const [eager, graph] = [run(false, config), run(true, config)]
    expect(new Set(eager).size).toBe(steps + steps / 5)
    expectClose(graph, eager, 1e-5)
    expect(Math.abs((graph[0] as number) / (eager[0] as number) - 1)).toBeLessThan(1e-6)
  })
  test('samples are equal character by character', () => {
    const write = (compiled: boolean) => {
      const { model } = setUp(compiled)
      const makeStep = <Args extends Tensor[]>(step: GenerationStep<Args>) => (compiled ? compile(step) : step)
      return [...generate(model, [[1], [2, 3]], { tokens: 30, streams: createStreams(5), sampleTopP: 0.9, makeStep })].map((row) => [
        ...row,
      ])
    }
    expect(write(true)).toEqual(write(false))
  })
  test('random numbers are new at each call', () => {
    const { noise } = createStreams(1)
    const draw = compile(() => noise.normal([4]))
    const [first, second] = [draw(), draw()].map((x) => x.arraySync())
    const again = createStreams(1).noise
    expect([first, second]).toEqual([again.normal([4]).arraySync(), again.normal([4]).arraySync()])
  })
})

describe('models nobody thought of', () => {
  const small = { ...base, nLayer: cases(1, 2) }
  class SwiGLU extends Module {
    readonly gate: Linear
    readonly up: Linear
    readonly down: Linear
    constructor(stream: RandomStream) {
      super()
      this.gate = new Linear(16, 24, stream)
      this.up = new Linear(16, 24, stream)
      this.down = new Linear(24, 16, stream)
    }
    forward(x: Tensor): Tensor {
      const g = this.gate.forward(x)
      return this.down.forward(tf.mul(tf.mul(g, tf.sigmoid(g)), this.up.forward(x)))
    }
  }
  /** An expert with layer statistics over its rows, whose number is known only at run time, and a dropout of its own. */
  class Centered extends Module {
    readonly map: Linear
    constructor(
      stream: RandomStream,
      readonly ctx: Context,
    ) {
      super()
      this.map = new Linear(16, 16, stream)
    }
    forward(x: Tensor): Tensor {
      const centered = tf.sub(x, tf.mean(x, 1, true))
      const h = tf.concat([tf.sum(tf.square(centered), 1, true), tf.slice(centered, [0, 1], [-1, 15])], 1)
      return tf.tanh(dropout(this.map.forward(h), 0.2, this.ctx))
    }
  }
  class SigmoidRouter extends Module implements RouterModule {
    readonly scores: Linear
    constructor(stream: RandomStream) {
      super()
      this.scores = new Linear(16, 4, stream)
    }
    forward(x: Tensor) {
      const logits = this.scores.forward(x)
      const { values, indices } = tf.topk(tf.sigmoid(logits), 2)
      return { experts: indices, gates: tf.div(values, tf.sum(values, -1, true)), logits }
    }
  }
  class Momentum extends Optimizer {
    readonly velocity: readonly NamedParameter[]
    constructor(readonly parameters: readonly NamedParameter[]) {
      super(0.01)
      this.velocity = parameters.map(([name, p]) => [name, tf.variable(tf.zeros(p.shape), false)])
    }
    apply(gradients: readonly Tensor[]): void {
      for (const [i, [, p]] of this.parameters.entries()) {
        const [, v] = this.velocity[i] as NamedParameter
        v.assign(tf.add(tf.mul(v, 0.9), gradients[i] as Tensor))
        p.assign(tf.sub(p, tf.mul(v, this.learningRate)))
      }
    }
    state() {
      return this.velocity
    }
  }
  const evenLogits: NonNullable<Components>['balance'] = ({ logits, load, experts }) => {
    const share = tf.div(tf.cast(load, 'float32'), experts.size)
    return tf.mul(tf.sum(tf.mul(share, tf.mean(tf.softmax(logits), 0))), 0.04)
  }

  test.each<[string, Components, ((p: readonly NamedParameter[]) => Optimizer)?]>([
    ['a SwiGLU expert', { expert: (_config, stream) => new SwiGLU(stream) }],
    ['a sigmoid router', { router: (_config, stream) => new SigmoidRouter(stream) }],
    ['a balancing loss on the routing', { balance: evenLogits }],
    [
      'an expert that reduces, slices, joins and drops its rows',
      { expert: (_c, stream) => new Centered(stream, { training: true, streams: createStreams(2) }) },
    ],
    ["an optimizer of one's own", {}, (p) => new Momentum(p)],
    [
      'SwiGLU with that optimizer and a balancing loss',
      { expert: (_c, stream) => new SwiGLU(stream), balance: evenLogits },
      (p) => new Momentum(p),
    ],
  ])('%s compiles as it is', (_name, components, optimizer) => {
    const eager = run(false, small, components, optimizer)
    const graph = run(true, small, components, optimizer)
    expectClose(graph, eager, 1e-5)
    expect(eager.at(-1)).not.toBe(eager[0])
  })
  test.each([undefined, 1])('a router that does not look at its input (capacity factor %s)', (capacityFactor) => {
    class RoundRobin extends Module implements RouterModule {
      forward(x: Tensor) {
        const [N] = x.shape as [number]
        const numbers = Int32Array.from({ length: 2 * N }, (_, i) => ((i >> 1) + (i % 3)) % 4)
        const experts = tf.tensor2d(numbers, [N, 2], 'int32')
        return { experts, gates: tf.fill([N, 2], 0.5), logits: tf.sum(tf.oneHot(experts, 4, 0.5, 0, 'float32'), 1) }
      }
    }
    const [eager, graph] = [false, true].map((fast) => run(fast, { ...small, capacityFactor }, { router: () => new RoundRobin() }))
    expectClose(graph as number[], eager as number[], 1e-5)
  })
  test("tfjs's own optimizer, in the function", () => {
    const train = (fast: boolean) => {
      const w = tf.variable(tf.tensor2d([[1], [2]]))
      const adam = tf.train.adam(0.1)
      const step = (x: Tensor) => {
        const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(tf.matMul(x, w))).asScalar(), [w])
        adam.applyGradients(grads as never)
        return value
      }
      const eagerFirst = step(tf.ones([3, 2])) // makes Adam's variables, which a trace must not
      const fn = fast ? compile(step) : step
      return [eagerFirst, ...Array.from({ length: 5 }, () => fn(tf.ones([3, 2])))].map(number)
    }
    expectClose(train(true), train(false), 1e-6)
  })
  test('expert-choice routing: each expert takes its best tokens', () => {
    const [N, E, take] = [12, 3, 4]
    const streams = createStreams(3)
    const router = new Linear(8, E, streams.init)
    const experts = Array.from({ length: E }, () => new Linear(8, 8, streams.init))
    const parameters = [...router.parameters(), ...experts.flatMap((expert) => expert.parameters())]
    const forward = (x: Tensor): Tensor => {
      const scores = tf.softmax(router.forward(x))
      const { values, indices } = tf.topk(tf.transpose(scores), take) // [E, take]
      const parts = experts.map((expert, e) => {
        const rows = tf.reshape(tf.slice(indices, [e, 0], [1, take]), [take])
        const weight = tf.reshape(tf.slice(values, [e, 0], [1, take]), [take, 1])
        return tf.scatterND(tf.expandDims(rows, 1), tf.mul(expert.forward(tf.gather(x, rows as never)), weight), [N, 8])
      })
      return tf.addN(parts)
    }
    const step = (x: Tensor) => gradientsOf(() => tf.sum(tf.square(forward(x))), parameters)
    const x = tf.randomNormal([N, 8], 0, 1, 'float32', 3)
    const [eager, graph] = [step(x), compile(step)(x)]
    expectClose(graph.loss, eager.loss, 1e-6)
    for (const [i, gradient] of eager.gradients.entries()) expectClose(graph.gradients[i] as Tensor, gradient, 1e-5)
  })
  test('rows of a size known at run time keep their size', () => {
    const halves = compile((x: Tensor, sizes: Tensor) => {
      const parts = splitRows(x, sizes).map((part, i) => tf.mul(tf.add(part, tf.ones(part.shape)), i + 1))
      return { whole: concatRows(parts, sizes), first: tf.reshape(parts[0] as Tensor, [-1]) }
    })
    const x = tf.tensor2d([[1], [2], [3]])
    expect(halves(x, tf.tensor1d([1, 2], 'int32')).whole.arraySync()).toEqual([[2], [6], [8]])
    expect(halves(x, tf.tensor1d([3, 0], 'int32')).whole.arraySync()).toEqual([[2], [3], [4]])
    expect(halves(x, tf.tensor1d([2, 1], 'int32')).first.shape).toEqual([2])
    expect(halves.traces).toBe(1)
  })
})

describe('what cannot be traced is refused: the op, the reason, the line', () => {
  const x = tf.tensor2d([
    [1, 2],
    [3, 4],
  ])
  const sizes = tf.tensor1d([1, 1], 'int32')
  const w = tf.variable(tf.scalar(1))
  test.each<[string, (x: Tensor, sizes: Tensor) => unknown, RegExp]>([
    ['reading a value', (x) => tf.mul(x, tf.sum(x).dataSync()[0] as number), /reading a tensor back/],
    ['arraySync', (x) => x.arraySync(), /reading a tensor back/],
    ['Math.random', (x) => tf.mul(x, Math.random()), /JavaScript randomness/],
    ['tf.randomNormal', (x) => tf.add(x, tf.randomNormal([2, 2])), /JavaScript randomness/],
    [
      'a hidden generator of TensorFlow',
      (x) => multiOp('RandomStandardNormal', [tf.tensor1d([2], 'int32')], 1, { dtype: { type: 'float32' } })[0] ?? x,
      /RandomStandardNormal.*hidden generator/,
    ],
    ['a variable made inside', (x) => tf.add(tf.variable(tf.scalar(1)), x), /creation of a variable/],
    ['an op without a gradient', (x) => tf.grad((x) => tf.cumprod(x))(x), /gradient of Cumprod/],
    [
      'a number that came from a size',
      (x, sizes) => tf.mul(x, 1 / ((splitRows(x, sizes)[0] as Tensor).shape[0] as number)),
      /a number \(.*would be frozen/,
    ],
    [
      'a list whose length came from a size',
      (x, sizes) => {
        const [part] = splitRows(x, sizes) as [Tensor]
        const ramp = Array.from({ length: part.shape[0] as number }, (_, i) => [i])
        return tf.add(part, tf.tensor2d(ramp))
      },
      /a constant of shape .*would be frozen/,
    ],
    [
      'a decision on a size',
      (x, sizes) => {
        const rows = (splitRows(x, sizes)[0] as Tensor).shape[0] as number
        return new Array(rows % 7).fill(0).reduce<Tensor>((y) => tf.square(y), x)
      },
      /a decision .*would be frozen/,
    ],
    ...Object.entries<(rows: number) => number>({
      'few rows': (rows) => (rows < 4 ? 1 : 2),
      'many rows': (rows) => (rows > 8 ? 1 : 2),
      'an even number of rows': (rows) => (rows % 2 === 0 ? 1 : 2),
      'at most four rows': (rows) => Math.min(rows, 4),
      'rows rounded up to a power of two': (rows) => Math.ceil(Math.log2(rows + 1)),
    }).map(([what, factor]): [string, (x: Tensor, sizes: Tensor) => Tensor, RegExp] => [
      `${what}, where their number depends on data`,
      (x, sizes) => tf.mul(x, factor((splitRows(x, sizes)[0] as Tensor).shape[0] as number)),
      /a number .*would be frozen/,
    ]),
    ['an async function', async (x) => x, /a promise/],
    ['a compiled function inside', (x) => compile((x: Tensor) => tf.neg(x))(x), /inside one that is being traced/],
    ['shapes that do not fit', (x) => tf.matMul(x, tf.ones([3, 1])), /MatMul of \[2, 2\], \[3, 1\]/],
  ])('%s', (_what, fn, message) => {
    const attempt = () => compile(fn as (x: Tensor, sizes: Tensor) => Tensor)(x, sizes)
    expect(attempt).toThrow(TraceError)
    expect(attempt).toThrow(message)
    expect(number(tf.sum(x))).toBe(10) // eager tensors are unharmed
    expect(number(w)).toBe(1)
  })
  test("the line is the caller's", () => {
    const guilty = (x: Tensor) => tf.mul(x, tf.sum(x).dataSync()[0] as number)
    expect(() => compile(guilty)(x)).toThrow(/at .*guilty.*compile\.test\.ts/)
  })
  test('of a cell, its number, its line and what stands there', () => {
    const lines = ['"use strict";', '(tf) => (x) => {', '  const y = tf.add(x, 1)', '  return tf.matMul(y, tf.ones([3, 1]))', '}']
    keepCell('cell-script', (line, column) => ({ cell: 7, line: line - 1, column, text: lines[line - 1] ?? '' }))
    const make = runInThisContext(lines.join('\n'), { filename: 'cell-script' })
    expect(() => compile(make(tf))(x)).toThrow(
      'MatMul of [2, 2], [3, 1]: Dimensions must be equal, but are 2 and 3\n  at cell [7], line 3: `return tf.matMul(y, tf.ones([3, 1]))`',
    )
  })
})

describe('variables have one owner at a time', () => {
  test('compiled and eager calls see the same values in any order', () => {
    const v = tf.variable(tf.scalar(1))
    const double = compile(() => {
      v.assign(tf.mul(v, 2))
      return tf.add(v, 0)
    })
    const read = compile((x: Tensor) => tf.add(v, x))
    expect(number(double())).toBe(2)
    expect(number(v)).toBe(2)
    v.assign(tf.scalar(10))
    expect(number(read(tf.scalar(1)))).toBe(11)
    expect(number(double())).toBe(20)
    expect(number(double())).toBe(40)
    expect(number(tf.add(v, 1))).toBe(41)
    expect(number(read(tf.scalar(0)))).toBe(40)
  })
  test('a copy keeps the value of its time, read or not', () => {
    const v = tf.variable(tf.scalar(1))
    const increment = compile(() => {
      v.assign(tf.add(v, 1))
      return tf.scalar(0)
    })
    increment()
    const copy = v.clone() // not read
    increment()
    increment()
    expect([number(copy), number(v)]).toEqual([2, 4])
  })
  test('weights trained in a graph are the weights that are saved', () => {
    const { model, train } = setUp(true)
    const before = model.parameters().map((p) => p.arraySync())
    const { x, y } = batch(1)
    train(x, y)
    const state = new Map()
    model.saveState(state)
    expect(state.get('ln_f.weight').values).not.toEqual(Float32Array.from(new Array(16).fill(1)))
    expect(model.parameters().map((p) => p.arraySync())).not.toEqual(before)
  })
})

describe('traces', () => {
  test('another shape is traced anew, a known one is not', () => {
    const events: boolean[] = []
    const f = compile((x: Tensor, factor: number) => tf.mul(x, factor), { onTrace: ({ done }) => events.push(done) })
    expect(f(tf.ones([2]), 2).arraySync()).toEqual([2, 2])
    expect(f(tf.ones([3]), 2).shape).toEqual([3])
    expect(f(tf.ones([2]), 3).arraySync()).toEqual([3, 3])
    expect(f(tf.zeros([2]), 2).arraySync()).toEqual([0, 0])
    expect(f.traces).toBe(3)
    expect(events).toEqual([false, true, false, true, false, true])
  })
  test('another dtype of the same shape is traced anew', () => {
    const half = compile((x: Tensor) => tf.div(tf.cast(x, 'float32'), 2))
    expect([tf.scalar(3), tf.scalar(3, 'int32')].map((x) => number(half(x)))).toEqual([1.5, 1.5])
    expect(half.traces).toBe(2)
  })
  test('numbers that JSON writes alike are constants of different traces', () => {
    const f = compile((x: Tensor, least: number | null) => (least === null ? x : tf.maximum(x, least)))
    const x = tf.scalar(-5)
    const eager = [null, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN].map((least) => [number(f(x, least)), f.traces])
    expect(eager).toEqual([
      [-5, 1],
      [-5, 2],
      [Number.POSITIVE_INFINITY, 3],
      [Number.NaN, 4],
    ])
    const sign = compile((x: Tensor, zero: number) => tf.mul(x, 1 / zero > 0 ? 1 : -1))
    expect([number(sign(x, 0)), number(sign(x, -0))]).toEqual([-5, 5])
  })
  test.each([
    ['older', 0, 1],
    ['younger', 1, 0],
  ])('a variable takes the value of an %s one, which keeps its own; what is compiled later works', (_which, from, to) => {
    const variables = [tf.variable(tf.scalar(3)), tf.variable(tf.scalar(4))] as const
    const [source, target] = [variables[from as 0], variables[to as 1]]
    const f = compile((x: Tensor) => {
      target.assign(source)
      return tf.add(x, 1)
    })
    const value = number(source)
    for (let i = 0; i < 3; i++) {
      expect(number(f(tf.scalar(1)))).toBe(2)
      expect([number(source), number(target)]).toEqual([value + 10 * i, value + 10 * i])
      source.assign(tf.add(source, 10))
    }
    expect(number(compile((x: Tensor) => tf.add(x, target))(tf.scalar(0)))).toBe(value + 20)
  })
  test('dispose frees them, and the function can be called again', () => {
    const v = tf.variable(tf.scalar(3))
    const f: Compiled<(x: Tensor) => Tensor> = compile((x) => {
      v.assign(tf.add(v, x))
      return tf.mul(v, x)
    })
    f(tf.scalar(2))
    f.dispose()
    expect(f.traces).toBe(0)
    expect(number(v)).toBe(5)
    expect(number(f(tf.scalar(1)))).toBe(6)
  })
  test('structures of tensors go in and out', () => {
    const f = compile(({ a, list }: { a: Tensor; list: Tensor[] }) => ({ sum: tf.addN([a, ...list]), same: [a], none: null }))
    const out = f({ a: tf.scalar(1), list: [tf.scalar(2), tf.scalar(3)] })
    expect([number(out.sum), number(out.same[0] as Tensor), out.none]).toEqual([6, 1, null])
  })
  test('tensor count and memory stay flat', () => {
    const { train } = setUp(true)
    const { x, y } = batch(1)
    const step = () => tf.dispose(train(x, y))
    for (let i = 0; i < 20; i++) tf.tidy(step)
    const { numTensors } = tf.memory()
    const rss = process.memoryUsage().rss
    for (let i = 0; i < cases(100, 300); i++) tf.tidy(step)
    expect(tf.memory().numTensors).toBe(numTensors)
    expect(process.memoryUsage().rss / rss).toBeLessThan(1.1)
  })
  test('topKGating and gradients through it compile', () => {
    const f = (x: Tensor) => tf.grad((x) => tf.sum(tf.square(topKGating(x, 2).allGates)))(x)
    const x = tf.tensor2d([[1, 3, 2, 0]])
    expectClose(compile(f)(x), f(x), 1e-6)
  })
})

test('threads: as many ops at a time as cores, or what MAKEMOE_THREADS says', () => {
  expect(defaultThreads().intraOp).toBe(1)
  process.env.MAKEMOE_THREADS = '3/2'
  expect(defaultThreads()).toEqual({ interOp: 3, intraOp: 2 })
  process.env.MAKEMOE_THREADS = 'nonsense'
  expect(defaultThreads().intraOp).toBe(1)
  delete process.env.MAKEMOE_THREADS
})
