import { presets } from 'makemoe'
import { changedBy, scaledRate, usualMultiples } from 'makemoe/dist/lab/variants'
import { expect, test } from 'vitest'

const shared = { ...presets.corrected }

test('a variant changes what it names and nothing else; parts are no field of the config', () => {
  const changed = changedBy(shared, { router: 'topk', parts: {} })
  expect(changed).toEqual({ ...shared, router: 'topk' })
  expect(shared).toEqual(presets.corrected)
})

test('multiples of a rate have no digits of rounding', () => {
  expect(usualMultiples.map((multiple) => scaledRate(0.003, multiple))).toEqual([0.0015, 0.003, 0.006, 0.012])
  expect(scaledRate(0.003, 0.1)).toBe(0.0003)
})
