import { color, inLines, layout, pale, palette, visible } from 'makemoe/dist/show/plot/figure'
import { expect, test } from 'vitest'

test('colors repeat after the palette; pale ones are halfway to white', () => {
  expect(color(palette.length)).toBe(palette[0])
  expect(pale('#0080ff')).toBe('#80c0ff')
  expect([visible(' '), visible('\n'), visible('a')]).toEqual(['␣', '↵', 'a'])
  expect(layout('t', 'x', 'y', { height: 9 })).toMatchObject({ height: 9, xaxis: { title: { text: 'x' } } })
})
test('a long name is broken between words; an assignment stays together', () => {
  expect(inLines('dense, equal active parameters')).toBe('dense, equal<br>active parameters')
  expect(inLines('top k = 2')).toBe('top k\u00a0=\u00a02')
})
