/** Tables of something else than the token's id, and a single gate that is not always 1. */
import { createStreams, kaimingInit, type LanguageModelConfig, presets, type Tensor, tf } from 'makemoe'
import { balancedTable, byBalancedTable, byLastTwo, byPosition, sigmoidGate } from 'makemoe/dist/lab/experiment-routers'
import { expect, test } from 'vitest'
import { expectClose, expectGradient } from '../support'

const config: LanguageModelConfig = { ...presets.corrected, nEmbed: 4, nHead: 2, blockSize: 3, numExperts: 6, topK: 2, vocabSize: 5 }
const ids = tf.tensor2d(
  [
    [1, 2, 1],
    [2, 1, 2],
  ],
  [2, 3],
  'int32',
)
const choices = (make: typeof byPosition): number[][] => {
  const routing = make(config, createStreams(3).init, kaimingInit).forward(tf.zeros([6, 4]), {
    training: false,
    streams: createStreams(1),
    tokenIds: ids,
  })
  expect([...routing.gates.dataSync()]).toEqual(new Array(12).fill(0.5))
  return tf.reshape(routing.experts, [6, 2]).arraySync() as number[][]
}

test('by position: tokens at the same position share their experts, whatever they are', () => {
  const [a, b, c, d, e, f] = choices(byPosition)
  expect([d, e, f]).toEqual([a, b, c])
  expect(new Set([a, b, c].map(String)).size).toBeGreaterThan(1)
})

test('by the last two: the same pair has the same experts, the same token after another has its own', () => {
  const [start1, pair12, pair21, start2, again21, again12] = choices(byLastTwo)
  expect([again21, again12]).toEqual([pair21, pair12])
  expect(new Set([start1, pair21].map(String)).size + new Set([start2, pair12].map(String)).size).toBeGreaterThan(2)
})

test('a balanced table, by hand: frequent ids first, each to the emptiest', () => {
  // 8 to expert 0, 5 to 1, 4 to 2, 3 to 2 (4 is least), 2 to 1 (5), 2 to 1 or 2 (7 both: the first)
  expect(balancedTable([2, 8, 5, 3, 4], { numExperts: 3, topK: 1, noise: [0.5, 0.5, 0.5, 0.5, 0.5] })).toEqual([[1], [0], [1], [2], [2]])
  const counts = Array.from({ length: 40 }, (_, id) => 1000 / (id + 3))
  const load = new Array(8).fill(0)
  const noise = createStreams(2).init.uniform([40]).dataSync()
  for (const [id, experts] of balancedTable(counts, { numExperts: 8, topK: 2, noise }).entries()) {
    expect(new Set(experts).size).toBe(2)
    for (const expert of experts) load[expert] += counts[id]
  }
  expect(Math.max(...load) / Math.min(...load)).toBeLessThan(1.1)
  const [a, , , d] = choices(byBalancedTable([0, 3, 2, 0, 0]))
  expect(a).not.toEqual(d)
})

test('without token ids a table is refused', () => {
  const router = byPosition(config, createStreams(3).init, kaimingInit)
  expect(() => router.forward(tf.zeros([6, 4]), { training: false, streams: createStreams(1) })).toThrow(
    /table router: got no token ids, expected 6/,
  )
})

test('the sigmoid gate is the sigmoid of the chosen logit, and has its gradient', () => {
  const router = sigmoidGate({ ...config, topK: 1 }, createStreams(3).init, kaimingInit)
  const route = (x: Tensor) => router.forward(x, { training: false, streams: createStreams(1) })
  const x = tf.tensor2d([[0.3, -0.2, 0.5, 1]])
  const { gates, logits } = route(x)
  expectClose(gates, tf.sigmoid(tf.max(logits, -1, true)) as Tensor, 1e-6)
  expectGradient((x) => route(x).gates, x)
})
