import { createStreams, presets, SparseMoELanguageModel, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'

const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 6, numExperts: 4, dropout: 0, vocabSize: 7 }
const ctx = { training: false, streams: createStreams(1) }

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
