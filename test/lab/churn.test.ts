import { createStreams, SparseMoELanguageModel, tf } from 'makemoe'
import { ChurnProbe, meanChurn } from 'makemoe/dist/lab/churn'
import { streamCounters } from 'makemoe/dist/makemoe/train/training-state'
import { expect, test } from 'vitest'
import { makeInspected } from './inspected'

const { config, dataset, tokenizer } = makeInspected()

test('at first nothing has changed; then what a router turned over, in the mean of the layers; streams are as before', () => {
  const streams = createStreams(1)
  const model = new SparseMoELanguageModel(
    { ...config, vocabSize: tokenizer.vocabSize, router: 'topk', numExperts: 4, topK: 1 },
    streams.init,
  )
  const counters = streamCounters(streams)
  const probe = new ChurnProbe(model, dataset, streams, (fn) => fn)
  expect(probe.look()).toBeUndefined()
  expect(probe.look()).toBe(0)
  // The scores of the last layer turned round: who was first is last now, so that none of its choices stays.
  const scores = model.namedParameters().filter(([name]) => name.startsWith('blocks.1.') && name.includes('scores'))
  expect(scores).toHaveLength(2)
  for (const [, parameter] of scores) parameter.assign(tf.neg(parameter))
  expect(probe.look()).toBe(0.5)
  expect(probe.look()).toBe(0)
  probe.dispose()
  expect(streamCounters(streams)).toEqual(counters)
})

test("a table's choices never change, and a training's churn is the mean of what was seen twice", () => {
  const streams = createStreams(1)
  const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize, router: 'hash' }, streams.init)
  const probe = new ChurnProbe(model, dataset, streams, (fn) => fn)
  probe.look()
  for (const [, parameter] of model.namedParameters()) parameter.assign(tf.neg(parameter))
  expect(probe.look()).toBe(0)
  probe.dispose()
  expect(meanChurn([{}, { churn: 0.25 }, { churn: 0.75 }])).toBe(0.5)
  expect(meanChurn([{}])).toBeUndefined()
})
