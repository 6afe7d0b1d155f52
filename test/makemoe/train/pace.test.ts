import { clock, describeProgress } from 'makemoe/dist/makemoe/train/pace'
import { expect, test } from 'vitest'

test('a line says where training stands', () => {
  expect(describeProgress({ step: 1, steps: 2, loss: 1, tokensPerSecond: 1, secondsLeft: 3661 })).toContain('1:01:01 left')
})
test('a clock has hours where there are some, and is never negative', () => {
  expect([75, 0.4, 3600, -1].map(clock)).toEqual(['1:15', '0:00', '1:00:00', '0:00'])
})
