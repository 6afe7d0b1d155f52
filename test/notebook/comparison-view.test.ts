import { comparisonView } from 'makemoe'
import { expect, test } from 'vitest'

test('outside a kernel nothing is shown, and nothing fails', () => {
  const view = comparisonView()
  view.onCurve({ variant: 'base', seed: 1, curve: [{ step: 0, validationLoss: 4 }] })
  view.onProgress({ done: 2, total: 21, variant: 'topk', seed: 4, step: 12, steps: 100, secondsLeft: 3723 })
  expect(Object.keys(view)).toEqual(['onCurve', 'onProgress'])
})
