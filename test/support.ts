/** What the tests share: fixtures, given randomness, comparison, finite differences. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, createStreams, presets, type StateDict, type Streams, type Tensor, tf } from 'makemoe'
import { decodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { expect } from 'vitest'

/** How many random cases: few in the minute of `npm test`, many in `npm run test:all`. TEST_SEED draws others (around-tests.ts). */
export const cases = (few: number, many: number): number => (process.env.TESTS === 'all' ? many : few)

/** A fixture that test/pytorch/goldens.py made. */
export function fixture(name: string): {
  tensor(name: string): Tensor
  values(name: string): Float32Array
  part(prefix: string): StateDict
} {
  const state = decodeSafetensors(readFileSync(join(__dirname, 'fixtures', `${name}.safetensors`)))
  const get = (key: string) => {
    const found = state.get(key)
    if (!found) throw new Error(`${name} has no ${key}; it has ${[...state.keys()].join(' ')}`)
    return found
  }
  return {
    tensor: (key) => tf.tensor(get(key).values, [...get(key).shape]),
    values: (key) => get(key).values,
    part: (prefix) =>
      new Map([...state].filter(([key]) => key.startsWith(`${prefix}.`)).map(([key, value]) => [key.slice(prefix.length + 1), value])),
  }
}

/** Streams whose noise and dropout masks are given, in the order of the forward pass. */
export function givenStreams(noise: Tensor[], masks: Tensor[]): Streams {
  const streams = createStreams(0)
  const next = (queue: Tensor[], size: number): Tensor => {
    const tensor = queue.shift()
    if (!tensor || tensor.size !== size) throw new Error(`expected a given tensor of ${size} numbers, got ${tensor?.size}`)
    return tensor
  }
  const size = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1)
  streams.noise.normal = (shape) => tf.reshape(next(noise, size(shape)), [...shape])
  // A mask is decided by 16 random bits a place: the highest keep it, the lowest drop it.
  streams.dropout.bits = (shape) => {
    const given = next(masks, 2 * size(shape))
    // Behind the experts, the reference has the pairs token by token, [N * K, C]; we have them choice by choice, [K, N, C].
    const byToken = given.rank === 2 && shape.length === 3
    const values = (byToken ? tf.transpose(tf.reshape(given, [shape[1], shape[0], -1] as never), [1, 0, 2]) : given).dataSync()
    return tf.tensor(new Int32Array(Int16Array.from(values, (value) => (value > 0 ? 32767 : -32768)).buffer), [...shape], 'int32')
  }
  return streams
}

/** The largest difference, relative to the largest number in the reference. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length)
  let largest = 0
  let difference = 0
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i] as number))
    difference = Math.max(difference, Math.abs((actual[i] as number) - (expected[i] as number)))
    if (!Number.isFinite(actual[i] as number)) return Number.POSITIVE_INFINITY
  }
  return largest === 0 ? difference : difference / largest
}

/** Asserts that tensors or numbers agree. */
export function expectClose(actual: Tensor | ArrayLike<number>, expected: Tensor | ArrayLike<number>, tolerance = 1e-5, what = ''): void {
  const numbers = (x: Tensor | ArrayLike<number>): ArrayLike<number> => (x instanceof tf.Tensor ? x.dataSync() : x)
  expect(relativeError(numbers(actual), numbers(expected)), `relative error ${what}`).toBeLessThan(tolerance)
}

/** Compares the gradient of sum(f(x) * weights) by x with central differences. */
export function expectGradient(f: (x: Tensor) => Tensor, x: Tensor, tolerance = 2e-2): void {
  const weights = tf.randomNormal(f(x).shape, 0, 1, 'float32', 7)
  const scalar = (x: Tensor): Tensor => tf.sum(tf.mul(f(x), weights))
  const gradient = tf
    .grad(scalar as never)(x)
    .dataSync()
  const values = x.dataSync()
  const h = 1e-2
  const numeric = Float32Array.from(values, (_, i) => {
    const at = (delta: number): number => {
      const moved = Float32Array.from(values)
      moved[i] = (moved[i] as number) + delta
      return scalar(tf.tensor(moved, x.shape)).dataSync()[0] as number
    }
    return (at(h) - at(-h)) / (2 * h)
  })
  expectClose(gradient, numeric, tolerance, 'of the gradient')
}

/** PyTorch's numbers for a newer part, made by test/pytorch/parts.py. */
export function partsGolden<Golden>(name: string): Golden {
  const all: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(join(__dirname, 'fixtures', 'parts.json'), 'utf8'))
  const found = all[name]
  if (!found) throw new Error(`no golden ${name}`)
  return found
}

/** A small model with the original's parts, for what needs no other. */
export const twoLayers = {
  ...presets.corrected,
  nEmbed: 64,
  nHead: 4,
  nLayer: 2,
  numExperts: 4,
  blockSize: 64,
  dropout: 0,
  steps: 1200,
  batchSize: 32,
  learningRate: 8e-3,
  evalInterval: 200,
  evalIters: 20,
} as const satisfies Config
