import { tf, topKGating } from 'makemoe'
import { chooseTopK, scatterGates } from 'makemoe/dist/makemoe/moe/router/top-k-gating'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('topKGating', () => {
  test('hand-worked: softmax over the two best of [1, 3, 2, 0]', () => {
    const { allGates, experts, gates } = topKGating(tf.tensor2d([[1, 3, 2, 0]]), 2)
    const best = 1 / (1 + Math.exp(-1))
    expect(experts.arraySync()).toEqual([[1, 2]])
    expectClose(gates, [best, 1 - best], 1e-6)
    expectClose(allGates, [0, best, 1 - best, 0], 1e-6)
  })
  test('every row sums to 1 with exactly K positive', () => {
    const { allGates } = topKGating(random(50, 8), 3)
    expectClose(tf.sum(allGates, 1), new Float32Array(50).fill(1), 1e-6)
    for (const row of allGates.arraySync() as number[][]) expect(row.filter((gate) => gate > 0)).toHaveLength(3)
  })
  test('the gate of a single choice is exactly 1, so that equal gates tie', () => {
    expect(Array.from(topKGating(random(9, 4), 1).gates.dataSync())).toEqual(Array(9).fill(1))
    const gradient = tf.grad((x) => tf.sum(topKGating(x, 1).allGates))(random(2, 4))
    expect(Array.from(gradient.dataSync(), Math.abs)).toEqual(Array(8).fill(0))
  })
  test('the gradient reaches the kept scores alone', () => {
    const x = tf.tensor2d([[1, 3, 2, 0]])
    expectGradient((x) => topKGating(x, 2).allGates, x)
    const gradient = tf
      .grad((x) => tf.sum(tf.mul(topKGating(x, 2).allGates, random(1, 4))))(x)
      .dataSync()
    expect([gradient[0], gradient[3]]).toEqual([0, 0])
    expect(gradient[1]).not.toBe(0)
  })
})
describe('routers', () => {
  test('a bias moves the choice and not the gates', () => {
    const logits = tf.tensor2d([[1, 3, 2, 0]])
    const { experts, gates, allGates } = topKGating(logits, 2, tf.tensor1d([0, 0, 0, 5]))
    const best = 1 / (1 + Math.exp(-3))
    expect(experts.arraySync()).toEqual([[3, 1]])
    expectClose(gates, [1 - best, best], 1e-6)
    expectClose(allGates, [0, best, 0, 1 - best], 1e-6)
    expectGradient((x) => topKGating(x, 2, tf.tensor1d([0, 0, 0, 5])).allGates, logits)
    expect(chooseTopK(logits, 1).experts.arraySync()).toEqual([[1]])
    expectClose(scatterGates(experts, gates, 4), allGates, 1e-12)
  })
})
