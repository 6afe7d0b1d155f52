import { compile, concatRows, createStreams, op, RandomStream, splitRows, type Tensor, tf } from 'makemoe'
import { composite, multiOp } from 'makemoe/dist/engine/tensor/op'
import { streamNames } from 'makemoe/dist/engine/tensor/streams'
import { withoutNotices } from 'makemoe/dist/engine/tensorflow/quiet'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 5)

describe('gradients that tfjs lacks, against finite differences', () => {
  test('topk', () =>
    expectGradient(
      (x) => tf.topk(x, 2).values,
      tf.tensor2d([
        [1, 5, 3, 2],
        [9, 7, 8, 6],
      ]),
    ))
  test('topk reaches the chosen numbers alone', () => {
    const gradient = tf.grad((x) => tf.topk(x, 2).values)(tf.tensor2d([[1, 5, 3, 2]]))
    expect(gradient.arraySync()).toEqual([[0, 1, 1, 0]])
  })
  test('gatherND', () =>
    expectGradient(
      (x) =>
        tf.gatherND(
          x,
          tf.tensor2d(
            [
              [0, 1],
              [2, 0],
              [0, 1],
            ],
            [3, 2],
            'int32',
          ),
        ),
      random(3, 2),
    ))
  test('scatterND', () => expectGradient((x) => tf.scatterND(tf.tensor2d([[1], [3]], [2, 1], 'int32'), x, [5]), random(2)))
  test('stridedSlice', () => expectGradient((x) => tf.stridedSlice(x, [0, 1], [3, 4], [2, 2]), random(3, 4)))
  test.each([1, 2])('unstack and split into %i', (pieces) => {
    const x = random(pieces, 3)
    expectGradient((x) => tf.square(tf.unstack(x)[0] as never), x)
    expectGradient((x) => tf.square(tf.split(x, pieces)[pieces - 1] as never), x)
    const rows = tf.fill([pieces], 1, 'int32')
    expectGradient((x) => concatRows(splitRows(x, rows).map(tf.square), rows), x)
  })
  test('slice and relu', () => {
    expectGradient((x) => tf.slice(x, [1, 0], [2, 2]), random(3, 4))
    expectGradient((x) => tf.relu(x), tf.tensor1d([-1, 0.5, 2]))
  })
  test.each(['ij,jk->ik', 'bij,bjk->bik', 'ij,ij->', 'ij,kj->ikj', 'ij->ji', 'ij,jk->k'])('einsum %s', (equation) => {
    const sizes: Record<string, number> = { b: 2, i: 3, j: 4, k: 2 }
    const terms = (equation.split('->')[0] as string).split(',')
    const operands = terms.map((term) => random(...[...term].map((letter) => sizes[letter] as number)))
    for (const [i] of terms.entries())
      expectGradient((x) => tf.einsum(equation, ...operands.map((operand, j) => (i === j ? x : operand))), operands[i] as never)
  })
  test.each([
    [[2, 3, 4], [4, 5], false, false],
    [[2, 3, 4], [5, 4], false, true],
    [[2, 3, 4], [2, 4, 5], false, false],
    [[2, 4, 3], [2, 4, 5], true, false],
    [[2, 4, 3], [2, 5, 4], true, true],
    [[1, 3, 4], [2, 4, 5], false, false],
    [[2, 2, 3, 4], [4, 5], false, false],
  ])('matMul of %j and %j, transposed %s, %s', (a, b, ta, tb) => {
    const [x, y] = [random(...(a as number[])), random(...(b as number[]))]
    expectGradient((x) => tf.matMul(x, y, ta as boolean, tb as boolean), x)
    expectGradient((y) => tf.matMul(x, y, ta as boolean, tb as boolean), y)
  })
  test('gather, along an axis and in batches', () => {
    expectGradient((x) => tf.gather(x, tf.tensor1d([1, 1, 0], 'int32'), 1), random(2, 3))
    expect(
      tf
        .gather(
          tf.tensor2d([
            [1, 2],
            [3, 4],
          ]),
          tf.tensor2d([[1], [0]], [2, 1], 'int32'),
          1,
          1,
        )
        .arraySync(),
    ).toEqual([[2], [3]])
    expect(() => tf.gather(tf.tensor1d([1]), tf.tensor1d([4], 'int32'))).toThrow(/not in \[0, 1\)/)
  })
  test('a bias added to rows', () => expectGradient((x) => tf.add(random(3, 2), x), random(2)))
})

describe('rows of sizes that are a tensor', () => {
  const sizes = tf.tensor1d([2, 0, 1], 'int32')
  test('split and joined again', () => {
    const x = random(3, 2)
    const parts = splitRows(x, sizes)
    expect(parts.map((part) => part.shape[0])).toEqual([2, 0, 1])
    expect(concatRows(parts, sizes).arraySync()).toEqual(x.arraySync())
  })
  test('gradients, also of a piece alone', () => {
    expectGradient(
      (x) =>
        concatRows(
          splitRows(x, sizes).map((part, i) => tf.mul(part, i + 1)),
          sizes,
        ),
      random(3, 2),
    )
    expectGradient((x) => splitRows(x, sizes)[0] as never, random(3, 2))
  })
})

describe('functions that tfjs lacks', () => {
  test('oneHot of depth 1 and of a list', () => {
    expect(tf.oneHot(tf.tensor1d([0, 0], 'int32'), 1).arraySync()).toEqual([[1], [1]])
    expect(tf.oneHot([1, 0], 2, 5, 3, 'float32').arraySync()).toEqual([
      [3, 5],
      [5, 3],
    ])
    expectGradient((x) => tf.topk(x, 1).values, random(3, 1))
  })
  // torch.nn.functional.gelu and silu of -1, 0.5 and 2.
  test('gelu and silu, with gradients', () => {
    const x = tf.tensor1d([-1, 0.5, 2])
    expectClose(tf.gelu(x), [-0.15865525, 0.34573123, 1.95449974], 1e-6)
    expectClose(tf.silu(x), [-0.26894142, 0.31122967, 1.76159416], 1e-6)
    expectGradient((x) => tf.gelu(x), x)
    expectGradient((x) => tf.silu(x), x)
  })
  test('stopGradient is the identity, and a constant to the gradient', () => {
    const f = (x: Tensor) => tf.mul(x, tf.stopGradient(tf.square(x)))
    const x = tf.tensor1d([3])
    expect([f(x).arraySync(), tf.grad(f)(x).arraySync()]).toEqual([[27], [9]])
    expect(compile((x: Tensor) => tf.grad(f)(x))(x).arraySync()).toEqual([9])
  })
})

describe('ops by name', () => {
  test('op and multiOp', () => {
    expect(op('Square', [tf.tensor1d([3])]).dataSync()[0]).toBe(9)
    const [values, indices] = multiOp('TopKV2', [tf.tensor1d([3, 9]), tf.scalar(1, 'int32')], 2, { sorted: true })
    expect([values?.dataSync()[0], indices?.dataSync()[0]]).toEqual([9, 1])
    expect(() => op('NoSuchOp', [])).toThrow(/NoSuchOp/)
  })
  test('composite chains ops through types that tfjs lacks, and leaks nothing', () => {
    const x = tf.tensor1d([1, 2], 'int32')
    const before = tf.memory().numTensors
    const result = composite([x], ([x], run) => {
      const wide = run('Cast', [x], { SrcT: { type: 'int32' }, DstT: { type: 'int64' }, Truncate: false })
      return run('Cast', [wide], { SrcT: { type: 'int64' }, DstT: { type: 'float32' }, Truncate: false })
    })
    expect([...result.dataSync()]).toEqual([1, 2])
    expect(tf.memory().numTensors).toBe(before + 1)
  })
})

describe('random streams', () => {
  test('the same seed and name give the same numbers, others do not', () => {
    const draw = (seed: number, name: string) => Array.from(new RandomStream(seed, name).uniform([8]).dataSync())
    expect(draw(1, 'data')).toEqual(draw(1, 'data'))
    expect(draw(1, 'data')).not.toEqual(draw(2, 'data'))
    expect(draw(1, 'data')).not.toEqual(draw(1, 'init'))
    expect(Object.keys(createStreams(1))).toEqual([...streamNames])
  })
  test('setting the counter back repeats the draws', () => {
    const stream = new RandomStream(4, 'x')
    const first = stream.normal([3]).arraySync()
    const second = stream.normal([3]).arraySync()
    expect(second).not.toEqual(first)
    stream.counter.assign(tf.scalar(0, 'int32'))
    expect(stream.normal([3]).arraySync()).toEqual(first)
  })
  test('moments and ranges', () => {
    const stream = new RandomStream(5, 'x')
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
    const normal = stream.normal([20_000]).dataSync()
    expect(Math.abs(mean(normal))).toBeLessThan(0.03)
    expect(Math.abs(mean(Array.from(normal, (x) => x * x)) - 1)).toBeLessThan(0.05)
    expect(Math.abs(mean(stream.uniform([20_000]).dataSync()) - 0.5)).toBeLessThan(0.01)
    const integers = stream.integers([1000], 3, 6).dataSync()
    expect(new Set(integers)).toEqual(new Set([3, 4, 5]))
    expect(stream.bits([4]).dtype).toBe('int32')
  })
  test('categorical follows the probabilities and never takes what is impossible', () => {
    const logits = tf.tile(tf.tensor2d([[Math.log(1), Math.log(3), Number.NEGATIVE_INFINITY]]), [4000, 1])
    const drawn = Array.from(new RandomStream(6, 'x').categorical(logits).dataSync())
    expect(drawn.filter((c) => c === 2)).toHaveLength(0)
    expect(drawn.filter((c) => c === 1).length / 4000).toBeCloseTo(0.75, 1)
  })
})

test('start-up notices are held back, real errors pass', () => {
  const notice = '2026-01-01: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on. You may see slightly different results\n'
  expect(withoutNotices(`${notice}E something broke\n`)).toBe('E something broke\n')
})
