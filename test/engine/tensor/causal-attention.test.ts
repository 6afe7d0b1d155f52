import fc from 'fast-check'
import { createStreams, MultiHeadAttention, type Tensor, tf } from 'makemoe'
import { causalAttention, queryBlocks } from 'makemoe/dist/engine/tensor/causal-attention'
import { dropoutBits } from 'makemoe/dist/engine/tensor/dropout-mask'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

/** The formula, number by number, in double precision: [B * H] of T x D. */
function plain(
  q: number[][][],
  k: number[][][],
  v: number[][][],
  scale: number,
  mask: (bh: number, i: number, j: number) => number,
): number[] {
  return q.flatMap((queries, bh) =>
    queries.flatMap((query, i) => {
      const keys = (k[bh] as number[][]).slice(0, i + 1)
      const exps = keys.map((key) => Math.exp(scale * key.reduce((sum, x, d) => sum + x * (query[d] as number), 0)))
      const total = exps.reduce((a, b) => a + b)
      const weights = exps.map((e, j) => (e / total) * mask(bh, i, j))
      return query.map((_, d) => weights.reduce((sum, w, j) => sum + w * (v[bh]?.[j]?.[d] as number), 0))
    }),
  )
}

/** The formula in tensors, whose gradient tfjs knows. */
function plainTensors(q: Tensor, k: Tensor, v: Tensor, scale: number, mask: Tensor): Tensor {
  const [T = 0] = q.shape.slice(-2)
  const causal = tf.linalg.bandPart(tf.ones([T, T]), -1, 0)
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), scale), tf.mul(tf.sub(causal, 1), 1e9))
  return tf.matMul(tf.mul(tf.softmax(scores), mask), v)
}

const shapes = fc.record({
  B: fc.integer({ min: 1, max: 3 }),
  H: fc.integer({ min: 1, max: 3 }),
  T: fc.integer({ min: 1, max: 70 }),
  D: fc.integer({ min: 1, max: 5 }),
  block: fc.constantFrom(2, 8, 32, 64),
  rate: fc.constantFrom(0, 0.1, 0.5),
  scale: fc.double({ min: 0.1, max: 1, noNaN: true }),
  seed: fc.integer({ min: 1, max: 1e6 }),
})

describe('causal attention in blocks of queries', () => {
  test('equals the plain formula in value and gradient; dropout zeroes the same weights', () => {
    fc.assert(
      fc.property(shapes, ({ B, H, T, D, block, rate, scale, seed }) => {
        tf.tidy(() => {
          const streams = createStreams(seed)
          const [q, k, v, dy] = [1, 2, 3, 4].map(() => streams.init.normal([B, H, T, D])) as [Tensor, Tensor, Tensor, Tensor]
          const blocks = queryBlocks(T, block)
          const bits = blocks.map(({ start, end }) => dropoutBits([B, H, end - start, end], streams.dropout))
          // The mask from its definition: 16 bits an entry, the lowest share of `rate` dropped.
          const numbers = new Float32Array(B * H * T * T).fill(1)
          for (const [b, { start, end }] of rate > 0 ? blocks.entries() : []) {
            const int16s = new Int16Array(Int32Array.from(bits[b]?.dataSync() ?? []).buffer)
            const stride = int16s.length / (B * H * (end - start))
            for (let row = 0; row < B * H * (end - start); row++)
              for (let j = 0; j < end; j++) {
                const isKept = (int16s[row * stride + j] as number) >= Math.round(rate * 65536) - 32768
                const [bh, i] = [Math.floor(row / (end - start)), start + (row % (end - start))]
                numbers[(bh * T + i) * T + j] = isKept ? 1 / (1 - rate) : 0
              }
          }
          const mask = tf.tensor(numbers, [B, H, T, T])

          const options = { scale, dropout: rate > 0 ? { rate, bits } : undefined }
          const value = causalAttention(q, k, v, blocks, options)
          const lists = [q, k, v].map((x) => tf.reshape(x, [B * H, T, D]).arraySync() as number[][][]) as [
            number[][][],
            number[][][],
            number[][][],
          ]
          const expected = plain(...lists, scale, (bh, i, j) => numbers[(bh * T + i) * T + j] as number)
          expectClose(value, expected, 1e-5, 'of the value')

          const gradients = tf.grads((q, k, v) => tf.mul(causalAttention(q, k, v, blocks, options), dy))([q, k, v])
          const reference = tf.grads((q, k, v) => tf.mul(plainTensors(q, k, v, scale, mask), dy))([q, k, v])
          const largest = Math.max(...reference.map((x) => tf.max(tf.abs(x)).dataSync()[0] as number))
          for (const [i, gradient] of gradients.entries()) {
            const error = tf.max(tf.abs(tf.sub(gradient, reference[i] as Tensor))).dataSync()[0] as number
            expect(error, `gradient ${i}`).toBeLessThan(1e-5 * Math.max(largest, 1))
          }
        })
      }),
      { numRuns: 60 },
    )
  })
  test('later positions change nothing, not even NaN', () => {
    const { init } = createStreams(1)
    const [q, k, v] = [1, 2, 3].map(() => init.normal([1, 2, 40, 3])) as [Tensor, Tensor, Tensor]
    const spoil = (x: Tensor): Tensor => tf.concat([tf.slice(x, [0, 0, 0, 0], [1, 2, 32, 3]), tf.fill([1, 2, 8, 3], Number.NaN)], 2)
    const first = (x: Tensor): Tensor => tf.slice(x, [0, 0, 0, 0], [1, 2, 32, 3])
    const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor => causalAttention(q, k, v, queryBlocks(40, 32), { scale: 0.5 })
    const [clean, spoiled] = [attend(q, k, v), attend(spoil(q), spoil(k), spoil(v))]
    expect(Array.from(first(spoiled).dataSync())).toEqual(Array.from(first(clean).dataSync()))
  })
  test.each([64, 65, 130])('a layer of %i positions equals its plain formula', (T) => {
    const { init } = createStreams(2)
    const ctx = { training: false, streams: createStreams(2) }
    const attention = new MultiHeadAttention(12, 3, 130, init)
    const x = init.normal([2, T, 12])
    const plain = (x: Tensor): Tensor => attention.proj.forward(attention.weights(x, ctx).value)
    expectClose(attention.forward(x, ctx), plain(x), 1e-5)
    const gradient = (f: (x: Tensor) => Tensor): Tensor => tf.grad((x) => tf.square(f(x)))(x)
    expectClose(
      gradient((x) => attention.forward(x, ctx)),
      gradient(plain),
      1e-5,
    )
  })
})
