/** JavaScript state that decides between two traces is noticed: what a compiled function gives is right, or it is refused. */
import fc from 'fast-check'
import {
  AdamW,
  compile,
  createStreams,
  Linear,
  Module,
  type NamedParameter,
  Optimizer,
  parameter,
  readsStateOf,
  SparseMoELanguageModel,
  type Tensor,
  TraceError,
  tf,
} from 'makemoe'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import { describe, expect, test, vi } from 'vitest'
import { cases, twoLayers } from '../../support'

const config = { ...twoLayers, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, numExperts: 2, topK: 1, vocabSize: 5, dropout: 0 }
const ids = tf.tensor2d([[0, 1, 2, 3]], [1, 4], 'int32')
const remedy = /keep it in a variable \(buffer, tf\.variable\) and choose with tf\.where, or decide outside the compiled function/

/** Counts in a field or in a closure, and says each `period`-th time yes. */
const counter = (period: number, inField: boolean): { n: number; isTurn(): boolean } => {
  if (inField)
    return {
      n: 0,
      isTurn() {
        return ++this.n % period === 0
      },
    }
  let n = 0
  return { n: 0, isTurn: () => ++n % period === 0 }
}

class Accumulating extends Optimizer {
  readonly inner: AdamW
  constructor(
    parameters: readonly NamedParameter[],
    readonly turn: ReturnType<typeof counter>,
  ) {
    super(1e-3)
    this.inner = new AdamW(parameters)
  }
  apply(gradients: readonly Tensor[]): void {
    if (this.turn.isTurn()) this.inner.apply(gradients)
  }
  state() {
    return this.inner.state()
  }
}
class Alternating extends Module {
  readonly linear: Linear
  constructor(readonly turn: ReturnType<typeof counter>) {
    super()
    this.linear = new Linear(8, 8, createStreams(1).init)
  }
  forward(x: Tensor): Tensor {
    return this.turn.isTurn() ? tf.neg(this.linear.forward(x)) : this.linear.forward(x)
  }
}

type Place = 'optimizer' | 'module' | 'loss'

/** A training step with a counter in one place. */
function makeStep(place: Place, period: number, inField: boolean) {
  const streams = createStreams(3)
  const turn = counter(period, inField)
  class Model extends SparseMoELanguageModel {
    readonly turn = place === 'loss' ? turn : undefined
    override loss(...args: Parameters<SparseMoELanguageModel['loss']>): Tensor {
      const loss = super.loss(...args)
      return this.turn?.isTurn() ? tf.mul(loss, 2) : loss
    }
  }
  const model = new Model(config, streams.init, place === 'module' ? { expert: () => new Alternating(turn) } : {})
  const parameters = model.namedParameters()
  const optimizer = place === 'optimizer' ? new Accumulating(parameters, turn) : new AdamW(parameters)
  const weights = () => model.parameters().flatMap((p) => [...p.dataSync()])
  return { step: makeTrainStep(model, optimizer, streams), weights }
}

describe('a counter in JavaScript', () => {
  const drawn = fc.record({
    place: fc.constantFrom<Place>('optimizer', 'module', 'loss'),
    period: fc.constantFrom(2, 3, 4, 5, 7),
    inField: fc.boolean(),
  })
  test('drawn in optimizer, module and loss, in a field or in a closure: the training step is refused', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(drawn, ({ place, period, inField }) => {
        const compiled = compile(makeStep(place, period, inField).step)
        let refused: Error | undefined
        let calls = 0
        try {
          for (; calls < 17; calls++) tf.dispose(compiled(ids, ids))
        } catch (error) {
          refused = error as Error
        }
        compiled.dispose()
        expect(refused).toBeInstanceOf(TraceError)
        expect(refused?.message).toMatch(remedy)
        // A field is seen at once, and named; a decision is seen when it falls, and the op is named with the line.
        if (inField) expect([calls, /\.n \(\d, then \d\)|decision \(/.test(refused?.message ?? '')]).toEqual([0, true])
        else expect(refused?.message).toMatch(/cannot trace a decision \(.*in one pass.*\n {2}at |cannot trace a number/s)
        // What was computed until then is right: the refusal comes before the counter's turn, up to a period of 5.
        if (period <= 5) expect(calls).toBeLessThan(period)
        seen.add(place + inField)
      }),
      { numRuns: cases(14, 24), seed: 5 },
    )
    expect(seen.size).toBe(6)
  })
  test.each([1, 2, 3])('until it is refused, the step is that of eager code (%i calls of a closure with period 4)', (calls) => {
    const [eager, graph] = [makeStep('optimizer', 4, false), makeStep('optimizer', 4, false)]
    const compiled = compile(graph.step)
    const attempt = () => {
      for (let i = 0; i < calls; i++) tf.dispose([eager.step(ids, ids), compiled(ids, ids)].map((result) => Object.values(result)))
    }
    if (calls < 3) attempt()
    else expect(attempt).toThrow(TraceError)
    if (calls < 3) expect(graph.weights()).toEqual(eager.weights())
  })
})

describe('other state', () => {
  class Holder {
    readonly seen: number[] = []
    last: Tensor | undefined
    factor = 2
    table = new Map([['a', 1]])
    readonly options = { factor: 3 }
    activation: (x: Tensor) => Tensor = tf.relu
    weight = parameter(tf.scalar(1))
    cached: number | undefined
    temperature?: number
    readonly shift = { by: tf.scalar(0) }
    readonly shifts = [tf.scalar(0)]
  }
  const on = (use: (holder: Holder, x: Tensor) => Tensor) => {
    const holder = new Holder()
    return { holder, f: compile(readsStateOf((x: Tensor) => use(holder, x), holder)) }
  }
  const one = tf.scalar(1)
  const number = (x: Tensor) => x.dataSync()[0]

  test.each<[string, (holder: Holder, x: Tensor) => unknown, RegExp]>([
    ['a list that grows', (holder) => holder.seen.push(1), /Holder\.seen\.length \(1, then 2\)/],
    ['an entry of a Map', ({ table }) => table.set('a', 2 * (table.get('a') ?? 0)), /Holder\.table\.a \(2, then 4\)/],
    ['a Map that grows', ({ table }) => table.set(`b${table.size}`, 1), /Holder\.table\.size/],
    [
      'an object that is replaced',
      (holder) => Object.assign(holder, { options: { factor: holder.options.factor + 1 } }),
      /options\.factor/,
    ],
    ['a name that comes', (holder) => Object.assign(holder.options, { [`b${Object.keys(holder.options).length}`]: 1 }), /options\.b/],
  ])('%s is refused at once', (_name, change, message) => {
    const { f } = on((holder, x) => {
      change(holder, x)
      return tf.neg(x)
    })
    expect(() => f(one)).toThrow(message)
    expect(() => f(one)).toThrow(remedy)
  })
  test('a tensor left for a look, a memo and a function made anew are fine', () => {
    const { f } = on((holder, x) => {
      holder.last = tf.neg(x)
      holder.cached ??= 5
      holder.activation = (x) => tf.relu(x)
      return holder.activation(tf.mul(x, holder.cached))
    })
    expect([f(one), f(one), f(one)].map(number)).toEqual([5, 5, 5])
    expect(f.traces).toBe(1)
  })
  test.each<[string, (holder: Holder) => void, number]>([
    ['a number', (holder) => Object.assign(holder, { factor: 5 }), 15],
    ['a number in a config', ({ options }) => Object.assign(options, { factor: 7 }), 14],
    ['a function', (holder) => Object.assign(holder, { activation: tf.neg }), -6],
    ['a variable', (holder) => Object.assign(holder, { weight: parameter(tf.scalar(10)) }), 60],
  ])('%s that is changed between two calls counts from the next call on', (_name, change, expected) => {
    const { holder, f } = on((holder, x) => holder.activation(tf.mul(tf.mul(x, holder.weight), holder.factor * holder.options.factor)))
    expect([f(one), f(one)].map(number)).toEqual([6, 6])
    change(holder)
    expect([f(one), f(one)].map(number)).toEqual([expected, expected])
    expect(f.traces).toBe(1)
  })
  test.each<[string, (holder: Holder) => void, number]>([
    ['a field that was undefined', (holder) => Object.assign(holder, { temperature: 3 }), 3],
    ['a constant tensor in an object', ({ shift }) => Object.assign(shift, { by: tf.scalar(5) }), 6],
    ['an object with another constant tensor', (holder) => Object.assign(holder, { shift: { by: tf.scalar(5) } }), 6],
    ['a constant tensor in a list', ({ shifts }) => Object.assign(shifts, [tf.scalar(7)]), 8],
    ['a field that comes', ({ options }) => Object.assign(options, { twice: true }), 2],
    ['a method set on the instance', (holder) => Object.assign(holder, { method: () => 9 }), 9],
  ])('%s counts from the next call on, too', (_name, change, expected) => {
    class Holder2 extends Holder {
      method(): number {
        return 1
      }
    }
    const holder = new Holder2()
    const shifted = (x: Tensor): Tensor => tf.addN([x, holder.shift.by, ...holder.shifts])
    const factor = (): number => (holder.temperature ?? 1) * holder.method() * ('twice' in holder.options ? 2 : 1)
    const f = compile(readsStateOf((x: Tensor) => tf.mul(shifted(x), factor()), holder))
    expect([f(one), f(one)].map(number)).toEqual([1, 1])
    change(holder)
    expect([f(one), f(one)].map(number)).toEqual([expected, expected])
    expect(f.traces).toBe(1)
  })
  test('a tensor that eager code leaves for a look between two calls is no reason to trace again', () => {
    const onTrace = vi.fn()
    const holder = new Holder()
    const f = compile(
      readsStateOf((x: Tensor) => tf.mul(x, holder.factor), holder),
      { onTrace },
    )
    for (let i = 0; i < 5; i++) {
      expect(number(f(one))).toBe(2)
      holder.last = tf.scalar(i)
    }
    expect(onTrace).toHaveBeenCalledTimes(2)
  })
  test('a number that is changed before every call is refused, not traced for ever', () => {
    const { holder, f } = on((holder, x) => tf.mul(x, holder.factor))
    const attempt = () => {
      for (let i = 0; i < 10; i++) {
        holder.factor = i
        expect(number(f(one))).toBe(i)
      }
    }
    expect(attempt).toThrow(/Holder\.factor changes again and again \(\d, then \d\).* tf\.variable/)
  })
  test('a knob that is turned now and then is traced anew each time', () => {
    const { holder, f } = on((holder, x) => tf.mul(x, holder.factor))
    for (let i = 0; i < 6; i++) {
      holder.factor = i
      for (let call = 0; call < 10; call++) expect(number(f(one))).toBe(i)
    }
  })
  test("what the caller's loop counts is noticed at the next check", () => {
    let step = 0
    const f = compile((x: Tensor) => (step >= 3 ? tf.neg(x) : x))
    const attempt = () => {
      for (; step < 6; step++) tf.dispose(f(one))
    }
    expect(attempt).toThrow(/cannot trace a decision \(.*\n {2}at .*javascript-state\.test\.ts/s)
    expect(step).toBeLessThan(5)
  })
  test.each<[string, () => number]>([
    ['Date.now()', () => Date.now()],
    ['new Date()', () => Date.parse(new Date().toISOString())],
    ['performance.now()', () => performance.now()],
  ])('%s in a number or a decision is refused; the clock is right afterwards', (_name, now) => {
    const before = now()
    expect(() => compile((x: Tensor) => tf.mul(x, now()))(one)).toThrow(/cannot trace a number .*JavaScript state/)
    const start = now()
    expect(() => compile((x: Tensor) => (now() - start > 60_000 * 90 ? tf.neg(x) : x))(one)).toThrow(TraceError)
    expect(now() - before).toBeLessThan(60_000)
    expect(new Date(0).getTime()).toBe(0)
    expect(new Date() instanceof Date).toBe(true)
    expect(number(compile((x: Tensor) => (typeof now() === 'number' ? x : tf.neg(x)))(one))).toBe(1)
  })
  test('a number among the results that changes is refused', () => {
    let n = 0
    expect(() => compile((x: Tensor) => ({ x, n: ++n }))(one)).toThrow(/cannot trace a result/)
  })
  test('a tensor from outside that was disposed of since stays a constant', () => {
    const outside = tf.scalar(3)
    const f = compile((x: Tensor) => tf.mul(x, outside))
    f(one)
    outside.dispose()
    expect([f(one), f(one)].map(number)).toEqual([3, 3])
  })
})
