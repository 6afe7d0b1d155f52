import { createStreams, earlierIn, NgramEmbedding, presets, SparseMoELanguageModel, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'

const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 6, numExperts: 4, dropout: 0, vocabSize: 7 }

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
