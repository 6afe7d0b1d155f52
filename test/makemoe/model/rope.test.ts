import { createStreams, MultiHeadAttention, presets, SparseMoELanguageModel, type Tensor, tf, validateConfig } from 'makemoe'
import { rotated, rotationAt } from 'makemoe/dist/makemoe/model/rope'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)
const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 6, numExperts: 4, dropout: 0, vocabSize: 7 }
const ctx = { training: false, streams: createStreams(1) }

describe('RoPE', () => {
  test('hand-worked: position 1 turns the first pair by 1, the second by 1 / 100', () => {
    const x = tf.tensor4d([0, 0, 0, 0, 1, 1, 0, 0], [1, 1, 2, 4]) // pairs (x0, x2) and (x1, x3)
    const expected = [0, 0, 0, 0, Math.cos(1), Math.cos(0.01), Math.sin(1), Math.sin(0.01)]
    expectClose(rotated(x, rotationAt(2, 4)), expected, 1e-6)
  })
  test('a score depends on the distance alone, and a vector keeps its length', () => {
    const [q, k] = [random(8), random(8)]
    const all = (x: Tensor): Tensor => rotated(tf.tile(tf.reshape(x, [1, 1, 1, 8]), [1, 1, 6, 1]), rotationAt(6, 8))
    const scores = tf.matMul(all(q), all(k), false, true).dataSync()
    for (let t = 1; t < 6; t++) for (let s = 1; s < 6; s++) expect(scores[6 * t + s]).toBeCloseTo(scores[6 * (t - 1) + s - 1] as number, 4)
    expectClose(tf.norm(all(q), 2, -1), new Array(6).fill(tf.norm(q).dataSync()[0]), 1e-5)
  })
  test('its gradient', () => {
    expectGradient((x) => rotated(x, rotationAt(3, 4)), random(1, 2, 3, 4))
  })
  test('the model has no positions to learn, and an odd head is refused before anything is made', () => {
    const model = new SparseMoELanguageModel({ ...config, positions: 'rope' }, createStreams(1).init)
    expect(model.namedParameters().some(([name]) => /position/.test(name))).toBe(false)
    expect(() => validateConfig({ ...presets.corrected, nEmbed: 15, nHead: 3, positions: 'rope' })).toThrow(
      /positions: got rope with a head of 5/,
    )
    expect(() => new MultiHeadAttention(15, 3, 4, createStreams(1).init, { rope: true })).toThrow(/an even number/)
  })
  test('long sequences, which are computed in blocks, give what the plain formula gives', () => {
    const options = { rope: true, qkNorm: true }
    const attention = new MultiHeadAttention(8, 2, 70, createStreams(1).init, options)
    const x = random(2, 70, 8)
    expectClose(attention.forward(x, ctx), attention.proj.forward(attention.weights(x, ctx).value), 1e-5)
  })
})
