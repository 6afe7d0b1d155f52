/** RoPE, RMSNorm, tied embeddings, initializations; shapes.test.ts has their values and gradients within a model, against plain numbers. */
import {
  createStreams,
  earlierIn,
  initializations,
  MultiHeadAttention,
  NgramEmbedding,
  presets,
  RmsNorm,
  SparseMoELanguageModel,
  type Tensor,
  tf,
  validateConfig,
} from 'makemoe'
import { rmsNorm } from 'makemoe/dist/engine/tensor/rms-norm'
import { rotated, rotationAt } from 'makemoe/dist/makemoe/model/rope'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient, partsGolden } from '../../support'

const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)
const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 6, numExperts: 4, dropout: 0, vocabSize: 7 }
const ctx = { training: false, streams: createStreams(1) }

describe('RmsNorm', () => {
  test('hand-worked: [3, 4] has a mean square of 12.5', () => {
    const scale = 1 / Math.sqrt(12.5 + 1e-5)
    expectClose(new RmsNorm(2).forward(tf.tensor2d([[3, 4]])), [3 * scale, 4 * scale], 1e-6)
  })
  test("value and gradients are torch.nn.RMSNorm's", () => {
    const golden = partsGolden<Record<'x' | 'gain' | 'dy' | 'y' | 'dx' | 'dgain', number[]>>('rms')
    const [x, gain, dy] = [tf.tensor2d(golden.x, [3, 5]), tf.tensor1d(golden.gain), tf.tensor2d(golden.dy, [3, 5])]
    expectClose(rmsNorm(x, gain, 1e-5), golden.y, 1e-5)
    const [dx, dgain] = tf.grads((x: Tensor, gain: Tensor) => rmsNorm(x, gain, 1e-5))([x, gain], dy) as [Tensor, Tensor]
    expectClose(dx, golden.dx, 1e-5)
    expectClose(dgain, golden.dgain, 1e-5)
  })
})

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

describe('n-gram embeddings', () => {
  test('hand-worked: of 2 tokens among 7, the row is 8 times the one before plus this one, each counted from 1', () => {
    const embedding = new NgramEmbedding(2, 7, 1, createStreams(1).init)
    embedding.weight.assign(tf.reshape(tf.range(0, 16_381), [16_381, 1])) // each row says which it is
    const ids = tf.tensor2d([3, 0, 6, 6, 6, 5], [2, 3], 'int32')
    expect([...embedding.forward(earlierIn(ids)).dataSync()]).toEqual([4, 8 * 4 + 1, 8 * 1 + 7, 7, 8 * 7 + 7, 8 * 7 + 6])
  })
  test('a large vocabulary stays within the table', () => {
    const embedding = new NgramEmbedding(16, 1e9, 1, createStreams(1).init)
    embedding.weight.assign(tf.reshape(tf.range(0, 16_381), [16_381, 1]))
    const rows = embedding.forward(earlierIn(tf.fill([1, 40], 1e9 - 1, 'int32'))).dataSync()
    for (const row of rows) expect(row).toBeGreaterThanOrEqual(0)
    let row = 0
    for (let i = 0; i < 16; i++) row = (row * ((1e9 + 1) % 16_381) + 1e9) % 16_381
    expect(rows[39]).toBe(row)
  })
  test('all else starts as without them, and a token meets one row', () => {
    const [without, withThem] = [1, 3].map((ngram) => new SparseMoELanguageModel({ ...config, ngram }, createStreams(1).init)) as [
      SparseMoELanguageModel,
      SparseMoELanguageModel,
    ]
    expect(withThem.head.weight.dataSync()).toEqual(without.head.weight.dataSync())
    expect(withThem.parameterCount() - without.parameterCount()).toBe(16_381 * 16)
    expect(withThem.activeParameterCount() - without.activeParameterCount()).toBe(16)
  })
})

describe('tied embeddings', () => {
  test('the head is the table of tokens: one parameter, that starts as small as a head', () => {
    const [tied, separate] = (['tied', 'separate'] as const).map(
      (embeddings) => new SparseMoELanguageModel({ ...config, embeddings }, createStreams(1).init),
    ) as [SparseMoELanguageModel, SparseMoELanguageModel]
    expect(tied.head.weight).toBe(tied.tokenEmbedding.weight)
    expect(separate.parameterCount() - tied.parameterCount()).toBe(7 * 16)
    const loss = tied.loss(tf.zeros([1, 6], 'int32'), tf.zeros([1, 6], 'int32'), ctx).dataSync()[0] as number
    expect(Math.abs(loss - Math.log(7))).toBeLessThan(0.5)
  })
})

test('zero-residual: before training, every block adds its biases alone', () => {
  const model = new SparseMoELanguageModel({ ...config, initialization: 'zero-residual' }, createStreams(1).init)
  for (const [name, parameter] of model.namedParameters())
    if (/(proj|down)\.weight$/.test(name)) expect(tf.max(tf.abs(parameter)).dataSync()[0], name).toBe(0)
  expect(Object.keys(initializations)).toEqual(['scaled', 'kaiming', 'xavier', 'zero-residual'])
})
