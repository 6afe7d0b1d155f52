import { takeState, transposed } from 'makemoe/dist/makemoe/nn/state-tensors'
import { expect, test } from 'vitest'

test('a missing tensor and a wrong shape are named', () => {
  expect(() => takeState(new Map(), 'a.b', [2])).toThrow(/no tensor a\.b, expected one of shape \[2\]/)
  expect(() => takeState(new Map([['a', { shape: [3], values: new Float32Array(3) }]]), 'a', [2])).toThrow(
    /a has shape \[3\], expected \[2\]/,
  )
})
test('transposed', () => expect([...transposed(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]))
