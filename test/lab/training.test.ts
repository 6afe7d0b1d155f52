import { CharTokenizer, Dataset, Lion, stateDictOf, TopkRouter, tf, validateConfig } from 'makemoe'
import { openTraining } from 'makemoe/dist/lab/training'
import type { Variant } from 'makemoe/dist/lab/variants'
import { expect, test } from 'vitest'
import { twoLayers } from '../support'

const text = 'to be, or not to be: that is the question.\n'.repeat(12)
const tokenizer = CharTokenizer.fromText(text)
const config = validateConfig({ ...twoLayers, nEmbed: 8, blockSize: 8, nLayer: 1, batchSize: 4, steps: 2, evalIters: 1, seed: 3 })
const open = (variant: Variant = {}, seed = 3) =>
  openTraining({ ...config, seed }, variant, { dataset: new Dataset(tokenizer.encode(text), 8), vocabSize: tokenizer.vocabSize }, {})

test('the seed decides the training; what was made is freed together', async () => {
  const before = tf.memory().numTensors
  const weights: string[] = []
  for (const seed of [3, 3, 4]) {
    const training = open({}, seed)
    await training.trainer.run()
    weights.push([...stateDictOf(training.model)].map(([name, { values }]) => `${name} ${values.join()}`).join('\n'))
    training.dispose()
  }
  expect(weights[1]).toBe(weights[0])
  expect(weights[2]).not.toBe(weights[0])
  expect(tf.memory().numTensors).toBe(before)
})

test("a variant's own parts are what is trained, its optimizer among them", () => {
  const training = open({
    parts: {
      router: ({ nEmbed, numExperts, topK }, stream) => new TopkRouter(nEmbed, numExperts, topK, stream),
      optimizer: (parameters) => new Lion(parameters),
    },
  })
  expect(training.model.describe()).toMatch(/router: TopkRouter/)
  expect(training.trainer.optimizer).toBeInstanceOf(Lion)
  training.dispose()
})
