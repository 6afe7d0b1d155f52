import { createStreams, initializations, presets, SparseMoELanguageModel, tf } from 'makemoe'
import { expect, test } from 'vitest'

const config = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 6, numExperts: 4, dropout: 0, vocabSize: 7 }

test('zero-residual: before training, every block adds its biases alone', () => {
  const model = new SparseMoELanguageModel({ ...config, initialization: 'zero-residual' }, createStreams(1).init)
  for (const [name, parameter] of model.namedParameters())
    if (/(proj|down)\.weight$/.test(name)) expect(tf.max(tf.abs(parameter)).dataSync()[0], name).toBe(0)
  expect(Object.keys(initializations)).toEqual(['scaled', 'kaiming', 'xavier', 'zero-residual'])
})
