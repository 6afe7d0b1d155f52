import { AdamW, compile, type Tensor, tf, updateInPlace, type Variable } from 'makemoe'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const values = (x: Tensor) => [...x.dataSync()]
const fresh = (...numbers: number[]): Variable => tf.variable(tf.tensor1d(numbers), false)
/** v <- v - rate * step, as one op. */
const descend = (v: Variable, step: Tensor) =>
  updateInPlace('ResourceApplyGradientDescent', [v], [tf.scalar(0.5), step], { use_locking: false })

describe.each([
  ['eagerly', <F>(fn: F): F => fn],
  ['in a compiled function', <F>(fn: F): F => compile(fn as never) as F],
])('updateInPlace, %s', (_how, make) => {
  test('changes the variable, and what was read before keeps its value', () => {
    const v = fresh(1, 2)
    const step = make((by: Tensor) => {
      const before = tf.mul(v, 1)
      descend(v, by)
      return { before, after: tf.mul(v, 10), clone: v.clone() }
    })
    const { before, after, clone } = step(tf.tensor1d([2, 4]))
    expect([before, after, clone, v].map(values)).toEqual([
      [1, 2],
      [0, 0],
      [0, 0],
      [0, 0],
    ])
    step(tf.tensor1d([2, 2]))
    expect(values(v)).toEqual([-1, -1])
  })
  test('comes after what was assigned, and before what is assigned later', () => {
    const [v, w] = [fresh(1), fresh(5)]
    const step = make((by: Tensor) => {
      v.assign(tf.mul(v, 100)) // 100
      descend(v, by) // 99
      descend(v, by) // 98
      w.assign(v) // 98
      v.assign(tf.add(v, 0.5)) // 98.5
      descend(v, by) // 97.5
      return tf.add(v, w)
    })
    expect(values(step(tf.tensor1d([2])))).toEqual([195.5])
    expect([values(v), values(w)]).toEqual([[97.5], [98]])
  })
  test('ResourceApplyAdam with two moments is the formula', () => {
    const [p, m, v] = [fresh(1, -2), fresh(0.1, 0.2), fresh(0.3, 0.4)]
    const step = make((gradient: Tensor) => {
      const scalars = [0.9, 0.99, 0.01, 0.8, 0.7, 1e-3].map((number) => tf.scalar(number))
      updateInPlace('ResourceApplyAdam', [p, m, v], [...scalars, gradient], { use_locking: false, use_nesterov: false })
    })
    step(tf.tensor1d([3, -1]))
    const m1 = [0.8 * 0.1 + 0.2 * 3, 0.8 * 0.2 - 0.2]
    const v1 = [0.7 * 0.3 + 0.3 * 9, 0.7 * 0.4 + 0.3]
    const rate = (0.01 * Math.sqrt(1 - 0.99)) / (1 - 0.9)
    expectClose(
      p,
      [1, -2].map((x, i) => x - (rate * (m1[i] as number)) / (Math.sqrt(v1[i] as number) + 1e-3)),
      1e-6,
    )
    expectClose(m, m1, 1e-6)
    expectClose(v, v1, 1e-6)
  })
})

test('an update that is undone by the old value is undone or refused', () => {
  const v = fresh(1)
  const step = compile((by: Tensor) => {
    const old = tf.clone(v)
    descend(v, by)
    const trial = tf.mul(v, 1)
    v.assign(old)
    return trial
  })
  expect(() => step(tf.tensor1d([1]))).toThrow(/use it before the update/)
  expect(values(v)).toEqual([1])
})

test('a value from between two updates that is used after the second is refused', () => {
  const v = fresh(1)
  const step = compile((by: Tensor) => {
    descend(v, by)
    const between = v.clone()
    descend(v, by)
    return between
  })
  expect(() => step(tf.tensor1d([1]))).toThrow(/between two updates in place: use it before the second/)
  expect(values(v)).toEqual([1])
})

test('AdamW in a graph and eagerly are the same to the bit', () => {
  const train = (fast: boolean): number[] => {
    const w = tf.variable(tf.tensor2d([[1], [2]]))
    const optimizer = new AdamW([['w', w]])
    const step = (x: Tensor) => {
      const { grads } = tf.variableGrads(() => tf.sum(tf.square(tf.matMul(x, w))).asScalar(), [w])
      optimizer.apply([Object.values(grads)[0] as Tensor])
      return tf.scalar(0)
    }
    const run = fast ? compile(step) : step
    for (let i = 0; i < 5; i++) run(tf.tensor2d([[1, i]]))
    return values(w)
  }
  expect(train(true)).toEqual(train(false))
})
