import { publishedCurves, trainingView } from 'makemoe'
import { expect, test } from 'vitest'
import { sent, withKernel } from './sent'

test('draws now and then, and at the end', () => {
  withKernel()
  const view = trainingView([publishedCurves.capacity], 'Training', 1e9)
  for (let step = 0; step < 40; step++) {
    if (step % 10 === 0) view.onMetric({ step, train_loss: 3, val_loss: 4 - step / 100 })
    view.onMetric({ step, loss: 3, ...(step % 10 === 0 ? { 'layer_0/z': step } : {}) })
    view.onProgress({ step: step + 1, steps: 40, loss: 3, tokensPerSecond: 1000, secondsLeft: 75 })
  }
  expect(view.curves()[1]).toEqual({ name: 'validation', steps: [0, 10, 20, 30], losses: [4, 3.9, 3.8, 3.7] })
  const texts = sent.map(([message]) => message.data['text/plain'])
  expect(texts.at(-1)).toBe('step 40/40 | loss 3.0000 | 1,000 tokens/s | 1:15 left')
  expect(texts.length).toBe(4) // the first and the last time, chart and line
  expect(view.reported()).toEqual({ 'layer_0/z': { steps: [0, 10, 20, 30], values: [0, 10, 20, 30] } })
  expect(view.load()).toBeUndefined()
  view.onMetric({ step: 40, loss: 3, 'routing/layer_0/load_0': 6, 'routing/layer_0/load_1': 2 })
  expect(view.load()?.data[0]?.z).toEqual([[1.5], [0.5]])
  sent.length = 0
  for (let step = 50; step < 100; step += 10) view.onMetric({ step, loss: 3, 'routing/layer_0/load_0': 8, 'routing/layer_0/load_1': 0 })
  view.onProgress({ step: 100, steps: 100, loss: 3, tokensPerSecond: 1000, secondsLeft: 0 })
  expect(sent.map(([message]) => message.data['text/plain'])).toEqual([
    'Training',
    'Load of each expert during training',
    'step 100/100 | loss 3.0000 | 1,000 tokens/s | 0:00 left\ndead experts: layer 0: 1',
  ])
  view.restart()
})
