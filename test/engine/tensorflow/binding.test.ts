import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute } from 'node:path'
import { compile, type Tensor, TensorError, tf, type Variable } from 'makemoe'
import { multiOp } from 'makemoe/dist/engine/tensor/op'
import { describe, expect, test } from 'vitest'

const require = createRequire(import.meta.url) // an import would be another copy than lib's own
const { updateVariables } = require('makemoe/dist/engine/tensor/variables') as typeof import('makemoe/dist/engine/tensor/variables')
const { findLibraries, libraryFiles } =
  require('makemoe/dist/engine/tensorflow/libraries') as typeof import('makemoe/dist/engine/tensorflow/libraries')

const number = (x: Tensor) => x.dataSync()[0]

describe('tensors go to TensorFlow and come back', () => {
  test.each([
    [[1.5, -2, Number.NaN, Number.POSITIVE_INFINITY], 'float32'],
    [[1, -(2 ** 31), 2 ** 31 - 1], 'int32'],
    [[1, 0, 1], 'bool'],
    [['', 'ä', 'x'.repeat(1000)], 'string'],
  ] as const)('%s as %s', (values, dtype) => {
    const x = tf.tensor1d([...values] as number[], dtype)
    expect(Array.from(tf.reshape(x, [-1, 1]).dataSync())).toEqual(values)
  })
  test('no numbers at all, and more than fit a small copy', () => {
    expect(tf.neg(tf.zeros([0, 3])).shape).toEqual([0, 3])
    const many = Float32Array.from({ length: 5000 }, (_, i) => i)
    expect(tf.neg(tf.tensor1d(many)).dataSync()).toEqual(many.map((x) => -x))
  })
  test('complex numbers', () => {
    const z = tf.complex([1, 2], [3, 4])
    expect([...tf.imag(tf.mul(z, z)).dataSync()]).toEqual([6, 16])
  })
})

describe('what cannot be used is refused with a typed error', () => {
  test('a tensor that was disposed of', () => {
    const x = tf.tensor1d([1, 2])
    tf.neg(x)
    x.dispose()
    expect(() => tf.neg(x)).toThrow(TensorError)
    expect(() => tf.neg(x)).toThrow('an op got a tensor of shape [2] that was disposed of')
  })
  test("what TensorFlow refuses, in TensorFlow's own words", () => {
    expect(() => multiOp('NoSuchOp', [], 1)).toThrow(/NoSuchOp/)
    expect(() => multiOp('MatMul', [tf.ones([2, 3]), tf.ones([2, 3])], 1)).toThrow(/Matrix size-incompatible/)
    expect(number(tf.add(1, 1))).toBe(2)
  })
  test('a compiled function whose variable was disposed of', () => {
    const v = tf.variable(tf.scalar(1))
    const twice = compile(() => tf.mul(v, 2))
    expect(number(twice())).toBe(2)
    v.dispose()
    expect(twice).toThrow(TensorError)
  })
})

describe('variables', () => {
  test('a clone that nobody has read keeps the value of its time', () => {
    const v = tf.variable(tf.scalar(1))
    const increment = compile(() => {
      v.assign(tf.add(v, 1))
      return tf.mul(v, 1)
    })
    increment()
    const copy = v.clone()
    v.assign(tf.scalar(100))
    increment()
    expect([number(copy), number(v)]).toEqual([2, 101])
  })
})

describe('updates in place', () => {
  const descend = (v: Variable, rate: number, gradient: Tensor) =>
    updateVariables('ResourceApplyGradientDescent', [v], [tf.scalar(rate), gradient], [])
  test('change the variable, not its clones, and not what it was made of', () => {
    const initial = tf.tensor1d([1, 2])
    const v = tf.variable(initial)
    const copy = v.clone()
    descend(v, 0.5, tf.tensor1d([2, 4]))
    expect([v, copy, initial].map((x) => [...x.dataSync()])).toEqual([
      [0, 0],
      [1, 2],
      [1, 2],
    ])
    const later = v.clone()
    descend(v, 1, v.clone())
    v.assign(tf.add(v, 1))
    descend(v, 1, tf.tensor1d([-1, -2]))
    expect([v, later].map((x) => [...x.dataSync()])).toEqual([
      [2, 3],
      [0, 0],
    ])
  })
  test('leave nothing behind, and refuse what was disposed of', () => {
    const before = tf.memory().numTensors
    const v = tf.variable(tf.scalar(1))
    tf.tidy(() => descend(v, 1, tf.scalar(1)))
    v.dispose()
    expect(() => tf.tidy(() => descend(v, 1, tf.scalar(1)))).toThrow(TensorError)
    expect(tf.memory().numTensors).toBe(before + 1) // the scalar that v was made of
  })
})

test('libraries: one table of names, the framework first, by absolute paths', () => {
  expect(Object.keys(libraryFiles)).toEqual(['linux-x64', 'linux-arm64', 'darwin-arm64'])
  const files = Object.entries(findLibraries())
  expect(files.map(([name]) => name)).toEqual(['framework', 'tensorflow'])
  for (const [, file] of files) expect([isAbsolute(file), existsSync(file)]).toEqual([true, true])
})
