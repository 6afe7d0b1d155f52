import { SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { lookAhead } from 'makemoe/dist/lab/look-ahead'
import type { RouterName } from 'makemoe/dist/makemoe/moe/parts'
import { expect, test } from 'vitest'
import { makeInspected } from './inspected'

const { config, dataset, streams, tokenizer } = makeInspected()
const modelWith = (router: RouterName) =>
  new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize, router, numExperts: 4, topK: 2 }, streams.init)
const options = { ctx: { training: false, streams }, compile: <F>(fn: F) => fn }

test('a model that decides by what came before loses nothing, character by character', async () => {
  const found = await lookAhead(modelWith('topk'), dataset, options)
  expect(found?.oneByOne).toBeCloseTo(found?.parallel ?? Number.NaN, 5)
})

test('the losses are of the same characters, and the last of them sees its whole window', async () => {
  // Predicts a character surely where a window is whole, and else knows nothing.
  const { blockSize: T } = config
  const V = tokenizer.vocabSize
  const knowing = {
    forward: (x: Tensor) => {
      const [, t = 0] = x.shape
      const ids = dataset.splits.val
      const window = Int32Array.from(x.dataSync())
      const offset = Array.from({ length: ids.length - T }, (_, i) => i).find((i) => window.every((id, j) => ids[i + j] === id)) ?? -1
      const next = Int32Array.from({ length: t }, (_, j) => ids[offset + 1 + j] ?? 0)
      return tf.reshape(tf.mul(tf.oneHot(tf.tensor1d(next, 'int32'), V), t === T ? 100 : 0), [1, t, V])
    },
  }
  const found = await lookAhead(knowing, dataset, options)
  expect(found?.parallel).toBeCloseTo(0, 5)
  expect(found?.oneByOne).toBeCloseTo((Math.log(V) * (T - 1)) / T, 4)
})

test('experts that choose see later characters: one by one the loss is another; nothing is left; a signal stops it', async () => {
  const model = modelWith('expert-choice')
  const before = tf.memory().numTensors
  const found = await lookAhead(model, dataset, options)
  expect(Math.abs((found?.oneByOne ?? 0) - (found?.parallel ?? 0))).toBeGreaterThan(1e-4)
  expect(await lookAhead(model, dataset, { ...options, signal: AbortSignal.abort() })).toBeUndefined()
  expect(tf.memory().numTensors).toBe(before)
})
