import fc from 'fast-check'
import { codePointCount, wholeEnd } from 'makemoe/dist/base/characters'
import { aligned } from 'makemoe/dist/lab/table'
import { Output } from 'makemoe/dist/notebook/kernel/output'
import { inLines } from 'makemoe/dist/show/plot/figure'
import { expect, test } from 'vitest'

const texts = fc.string({ unit: 'binary', maxLength: 20 })

test('characters are counted as code points, and no cut halves one', () => {
  fc.assert(
    fc.property(texts, fc.nat(25), (text, end) => {
      expect(codePointCount(text)).toBe([...text].length)
      const [head, rest] = [text.slice(0, wholeEnd(text, end)), text.slice(wholeEnd(text, end))]
      expect([...head, ...rest]).toEqual([...text])
    }),
  )
})

test('a column with emoji is as wide as it looks, and a name of a chart breaks where others do', () => {
  const plain = (text: string): string => text.replaceAll('🎭', 'e')
  const rows = [
    ['🎭🎭', 'x'],
    ['ab', '🎭'],
    ['abc', 'yz'],
  ]
  expect(plain(aligned(rows))).toBe(aligned(rows.map((row) => row.map(plain))))
  const name = '🎭🎭🎭🎭🎭🎭🎭🎭 and six'
  expect(plain(inLines(name))).toBe(inLines(plain(name)))
})

test('what a cell prints is cut between characters, and what is left out is counted in characters', () => {
  const sent: string[] = []
  const output = new Output((_, text) => sent.push(text))
  output.write('stdout', `a${'🎭'.repeat(5_000_010)}`)
  output.end()
  expect(sent.join('').slice(0, 9_999_999)).toBe(`a${'🎭'.repeat(4_999_999)}`)
  expect(sent.every((text) => !/\p{Surrogate}/u.test(text))).toBe(true)
  expect(sent.at(-1)).toMatch(/^\n11 more characters/)
})
