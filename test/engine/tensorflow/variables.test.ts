import { createRequire } from 'node:module'
import fc from 'fast-check'
import { type Compiled, compile, type Tensor, tf, type Variable } from 'makemoe'
import { expect, test } from 'vitest'
import { cases } from '../../support'

const require = createRequire(import.meta.url) // an import would be another copy than lib's own
const { updateVariables } = require('makemoe/dist/engine/tensor/variables') as typeof import('makemoe/dist/engine/tensor/variables')

/** Numbers in TensorFlow, with what they must be: plain arrays that nothing can change behind their back. */
interface Held {
  readonly tensor: Tensor
  readonly expected: number[]
}

/** What compiled functions do: with TensorFlow, and with the expected values. `a` may be the same variable as `b`. */
const functions = {
  increment: {
    trace: (a: Variable) => {
      a.assign(tf.add(a, 1))
      return a
    },
    expect: (values: number[][], a: number) => {
      values[a] = plus(values[a], [1, 1, 1])
      return values[a]
    },
  },
  copy: {
    trace: (a: Variable, b: Variable) => {
      b.assign(tf.mul(a, 1))
      return tf.neg(b)
    },
    expect: (values: number[][], a: number, b: number) => {
      values[b] = [...(values[a] ?? [])]
      return values[b].map((x) => -x)
    },
  },
  addArgument: {
    trace: (a: Variable, b: Variable, x: Tensor) => {
      const sum = tf.add(a, x)
      a.assign(sum)
      b.assign(tf.add(a, b))
      return sum
    },
    expect: (values: number[][], a: number, b: number, x: number[]) => {
      const sum = plus(values[a], x)
      values[a] = sum
      values[b] = plus(values[a], values[b])
      return sum
    },
  },
  readOnly: {
    trace: (a: Variable, b: Variable) => tf.sub(a, b),
    expect: (values: number[][], a: number, b: number) =>
      plus(
        values[a],
        values[b]?.map((x) => -x),
      ).map((x) => x + 0),
  },
} as const
type FunctionName = keyof typeof functions

const plus = (a: number[] = [], b: number[] = []): number[] => a.map((x, i) => Math.fround(x + (b[i] ?? Number.NaN)))

class Interleaving {
  readonly variables: Variable[] = []
  readonly expected: number[][] = []
  readonly held: Held[] = []
  readonly compiled = new Map<string, Compiled<(x: Tensor) => Tensor>>()
  /** Functions that have taken a tensor from outside: a constant for them from their first call on. */
  readonly captures: { readonly fn: Compiled<() => Tensor>; readonly variable: number; readonly constant: number[] }[] = []

  constructor(count: number) {
    for (let i = 0; i < count; i++) this.makeVariable(i, i + 1)
  }

  makeVariable(i: number, value: number): void {
    const expected = [value, 2 * value, -value]
    const initial = tf.tensor1d(expected)
    this.variables[i] = tf.variable(initial)
    initial.dispose()
    this.expected[i] = expected
  }

  hold(tensor: Tensor, expected: number[]): void {
    this.held.push({ tensor, expected: [...expected] })
  }

  variable(i: number): Variable {
    return this.variables[i % this.variables.length] as Variable
  }

  value(i: number): number[] {
    return this.expected[i % this.expected.length] as number[]
  }

  /** A tensor that somebody holds, or else a variable's. */
  any(i: number): Held {
    const all = [...this.held, ...this.variables.map((tensor, at) => ({ tensor, expected: this.expected[at] as number[] }))]
    return all[i % all.length] as Held
  }

  call(name: FunctionName, i: number, j: number, argument: Held): void {
    const [a, b] = [i % this.variables.length, j % this.variables.length]
    const key = `${name} ${a} ${b}`
    const { trace } = functions[name]
    const fn = this.compiled.get(key) ?? compile((x: Tensor) => trace(this.variables[a] as Variable, this.variables[b] as Variable, x))
    this.compiled.set(key, fn)
    const x = [...argument.expected]
    this.hold(fn(argument.tensor), functions[name].expect(this.expected, a, b, x))
  }

  capture(i: number, j: number): void {
    const variable = i % this.variables.length
    const { tensor, expected } = this.any(j)
    if (this.variables.includes(tensor as Variable)) return // a variable is no constant
    this.captures.push({ fn: compile(() => tf.add(this.variables[variable] as Variable, tensor)), variable, constant: [...expected] })
    this.callCapture(this.captures.length - 1)
  }

  callCapture(i: number): void {
    const { fn, variable, constant } = this.captures[i] ?? {}
    if (fn && variable !== undefined) this.hold(fn(), plus(this.expected[variable], constant))
  }

  disposeFunctions(of?: number): void {
    for (const [key, fn] of this.compiled) {
      if (of !== undefined && !key.split(' ').slice(1).includes(String(of))) continue
      fn.dispose()
      this.compiled.delete(key)
    }
    for (const capture of this.captures.filter(({ variable }) => of === undefined || variable === of)) {
      capture.fn.dispose()
      this.captures.splice(this.captures.indexOf(capture), 1)
    }
  }

  check({ tensor, expected }: Held): void {
    const unsigned = (x: number) => x + 0 // -0 is 0
    expect(Array.from(tensor.dataSync(), unsigned)).toEqual(expected.map(unsigned))
  }

  end(): void {
    for (const held of this.held) this.check(held)
    for (const [i, tensor] of this.variables.entries()) this.check({ tensor, expected: this.value(i) })
    this.disposeFunctions()
    for (const [i, tensor] of this.variables.entries()) this.check({ tensor, expected: this.value(i) })
    tf.dispose([...this.held.map(({ tensor }) => tensor), ...this.variables])
  }
}

type Action = (state: Interleaving) => void
const index = fc.nat(7)
const actions: fc.Arbitrary<Action> = fc.oneof(
  fc.tuple(index, fc.integer({ min: -9, max: 9 })).map<Action>(([i, value]) => (s) => {
    const tensor = tf.fill([3], value)
    s.variable(i).assign(tensor)
    tensor.dispose()
    s.expected[i % s.expected.length] = [value, value, value]
  }),
  fc.tuple(index, index).map<Action>(([i, j]) => (s) => {
    const { tensor, expected } = s.any(j)
    if (tensor === s.variable(i)) return // tfjs cannot assign a variable to itself
    s.variable(i).assign(tensor)
    s.expected[i % s.expected.length] = [...expected]
  }),
  index.map<Action>((i) => (s) => s.hold(s.any(i).tensor.clone(), s.any(i).expected)),
  index.map<Action>((i) => (s) => s.check(s.any(i))),
  index.map<Action>((i) => (s) => s.hold(tf.reverse(tf.slice(s.any(i).tensor, [0], [3])), [...s.any(i).expected].reverse())),
  fc.tuple(index, index).map<Action>(([i, j]) => (s) => {
    const { tensor, expected } = s.any(j)
    updateVariables('ResourceApplyGradientDescent', [s.variable(i)], [tf.scalar(-1), tensor], [])
    s.expected[i % s.expected.length] = plus(s.value(i), expected)
  }),
  index.map<Action>((i) => (s) => s.hold(tf.reshape(tf.reshape(s.variable(i), [1, 3]), [3]), s.value(i))),
  fc.tuple(index, index).map<Action>(([i, j]) => (s) => {
    const [a, b] = [s.any(i), s.any(j)]
    s.hold(tf.add(a.tensor, b.tensor), plus(a.expected, b.expected))
  }),
  fc.tuple(fc.constantFrom(...(Object.keys(functions) as FunctionName[])), index, index, index).map<Action>(
    ([name, i, j, x]) =>
      (s) =>
        s.call(name, i, j, s.any(x)),
  ),
  fc.tuple(index, index).map<Action>(
    ([i, j]) =>
      (s) =>
        s.capture(i, j),
  ),
  index.map<Action>((i) => (s) => s.callCapture(i)),
  index.map<Action>((i) => (s) => {
    for (const { tensor } of s.held.splice(i, 1)) tensor.dispose()
  }),
  index.map<Action>((i) => (s) => s.disposeFunctions(i)),
  fc.tuple(index, fc.integer({ min: 1, max: 9 })).map<Action>(([i, value]) => (s) => {
    const at = i % s.variables.length
    s.disposeFunctions(at)
    s.variables[at]?.dispose()
    s.makeVariable(at, value)
  }),
)

test('in any interleaving of eager and compiled code, values are as if all had been eager, and nothing is left', () => {
  fc.assert(
    fc.property(fc.array(actions, { maxLength: 40, size: 'max' }), (list) => {
      const before = tf.memory()
      const state = new Interleaving(3)
      tf.tidy(() => {
        for (const act of list) {
          act(state)
          for (const { tensor } of state.held) tf.keep(tensor)
        }
      })
      state.end()
      expect(tf.memory().numTensors).toBe(before.numTensors)
      expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers)
    }),
    { numRuns: cases(80, 1500) },
  )
})
