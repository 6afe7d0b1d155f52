import { compile, concatRows, splitRows, type Tensor, TraceError, tf, type Variable } from 'makemoe'
import { composite } from 'makemoe/dist/engine/tensor/op'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const ones = (rows: number, width = 2) => tf.ones([rows, width])
const load = (...sizes: number[]) => tf.tensor1d(sizes, 'int32')

describe('sizes that depend on data', () => {
  test.each<[string, (x: Tensor, load: Tensor) => Tensor]>([
    ['twice the rows', (x, load) => tf.reshape(tf.concat([part(x, load, 0), part(x, load, 0)]), [2, -1, 2])],
    ['rows and one', (x, load) => tf.concat([part(x, load, 1), tf.ones([1, 2])])],
    [
      'sums of pieces, joined in any order',
      (x, load) => tf.add(tf.concat([tf.concat([part(x, load, 2), part(x, load, 0)]), part(x, load, 1)]), x),
    ],
    ['flat, and back', (x, load) => tf.reshape(tf.mul(tf.reshape(part(x, load, 2), [-1]), 2), [-1, 2])],
    ['the mean of all numbers', (x, load) => tf.mean(part(x, load, 2))],
    ['a table as long as the rows', (x, load) => tf.mul(part(x, load, 2), tf.range(0, part(x, load, 2).shape[0] as number).expandDims(1))],
    [
      'pieces cut again at the same places',
      (x, load) =>
        tf.split(
          tf.concat(splitRows(x, load)),
          splitRows(x, load).map(({ shape }) => shape[0] as number),
        )[2] as Tensor,
    ],
    [
      'rows that a condition selects',
      (x, load) => {
        const chosen = tf.greater(tf.cast(load, 'float32'), 1) // of the pieces, those with more than one row
        const places = composite([chosen], ([chosen], run) => {
          const long = run('Where', [chosen], { T: { type: 'bool' } })
          return run('Cast', [long], { SrcT: { type: 'int64' }, DstT: { type: 'int32' }, Truncate: false })
        })
        return tf.gather(x, tf.reshape(places, [-1]))
      },
    ],
  ])('%s', (_what, f) => {
    const compiled = compile(f)
    for (const sizes of [load(1, 2, 3), load(0, 0, 6), load(2, 0, 4)]) expectClose(compiled(ones(6), sizes), f(ones(6), sizes), 1e-6)
    expect(compiled.traces).toBe(1)
    const gradient = (x: Tensor, load: Tensor) => tf.grad((x) => tf.sum(tf.square(f(x, load))))(x)
    expectClose(compile(gradient)(ones(6), load(1, 2, 3)), gradient(ones(6), load(1, 2, 3)), 1e-6)
  })
  const part = (x: Tensor, load: Tensor, i: number) => splitRows(x, load)[i] as Tensor

  test('numbers of the function that equal probe sizes stay what they are', () => {
    const numbers = Int32Array.from({ length: 30_000 }, (_, i) => i)
    const f = (x: Tensor, load: Tensor) => tf.add(tf.sum(tf.tensor1d(numbers, 'int32')), tf.sum(splitRows(x, load)[0] as Tensor))
    expectClose(compile(f)(ones(2), load(1, 1)), f(ones(2), load(1, 1)))
    const g = (x: Tensor, load: Tensor) => tf.add(tf.scalar(20_011 * 3), tf.sum(splitRows(x, load)[0] as Tensor))
    expect(compile(g)(ones(2), load(1, 1)).dataSync()[0]).toBe(20_011 * 3 + 2)
  })
  test('sizes that need not be equal do not fit, and are named', () => {
    const f = compile((x: Tensor, load: Tensor) => tf.add(...(splitRows(x, load) as [Tensor, Tensor])))
    expect(() => f(ones(2), load(1, 1))).toThrow(TraceError)
    expect(() => f(ones(2), load(1, 1))).toThrow(/Add of \[n1, 2\], \[n2, 2\]: Dimensions must be equal, but are n1 and n2/)
  })
  test('fewer rows than pieces: 300 experts, 3 rows', () => {
    const f = (x: Tensor, load: Tensor) =>
      concatRows(
        splitRows(x, load).map((rows, i) => tf.mul(rows, i)),
        load,
      )
    const sizes = load(...Array.from({ length: 300 }, (_, i) => (i % 100 === 7 ? 1 : 0)))
    expect(compile(f)(ones(3, 1), sizes).arraySync()).toEqual([[7], [107], [207]])
  })
})

test('Lion, an optimizer in plain tfjs ops, compiles', () => {
  // Chen et al. 2023, algorithm 2: the sign of an interpolated momentum, with decoupled weight decay.
  const train = (fast: boolean) => {
    const w = tf.variable(tf.tensor2d([[1], [-2], [3]]))
    const momentum = tf.variable(tf.zeros([3, 1]), false)
    const step = (x: Tensor) => {
      const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(tf.matMul(x, w))).asScalar(), [w])
      const [gradient] = Object.values(grads) as [Tensor]
      const update = tf.sign(tf.add(tf.mul(momentum, 0.9), tf.mul(gradient, 0.1)))
      w.assign(tf.sub(w, tf.mul(tf.add(update, tf.mul(w, 0.1)), 0.01)))
      momentum.assign(tf.add(tf.mul(momentum, 0.99), tf.mul(gradient, 0.01)))
      return value
    }
    const run = fast ? compile(step) : step
    const losses = Array.from({ length: 20 }, (_, i) => run(tf.tensor2d([[1, 0.1 * i, -1]])).dataSync()[0] as number)
    return [...losses, ...(w as Variable).dataSync()]
  }
  expectClose(train(true), train(false), 1e-6)
})
