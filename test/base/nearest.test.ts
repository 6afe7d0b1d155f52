import fc from 'fast-check'
import { nearest } from 'makemoe/dist/base/nearest'
import { expect, test } from 'vitest'

test('suggests the nearest name, whatever its case', () => {
  expect(nearest('topkk', ['noisy', 'topk'])).toBe('; did you mean topk?')
  expect(nearest('TOPK', ['noisy', 'topk'])).toBe('; did you mean topk?')
})
test('suggests nothing where no name is near', () => {
  expect(nearest('tracker', ['noisy', 'topk'])).toBe('')
  expect(nearest('topk', [])).toBe('')
})
test('a name with one letter changed, added or removed is found among others that are far from it', () => {
  const word = fc.stringMatching(/^[a-z]{6,10}$/)
  fc.assert(
    fc.property(word, fc.nat(9), fc.constantFrom('', 'q', 'zz'), (name, i, instead) => {
      const at = i % name.length
      const mistyped = `${name.slice(0, at)}${instead}${name.slice(at + 1)}`
      expect(nearest(mistyped, ['0123456789012345', name])).toBe(`; did you mean ${name}?`)
    }),
  )
})
