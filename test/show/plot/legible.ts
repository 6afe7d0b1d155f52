/** What holds for every figure: it is plain data, titled, as wide as its place and legible. */
import type { Figure } from 'makemoe'
import { expect } from 'vitest'

export function expectLegible(figure: Figure): void {
  expect(JSON.parse(JSON.stringify(figure))).toEqual(figure) // nothing but data: it survives being sent
  const { title, autosize, height, font } = figure.layout as {
    title: { text: string }
    autosize: boolean
    height: number
    font: { size: number }
  }
  expect(title.text).not.toBe('')
  expect(autosize).toBe(true)
  expect(figure.layout.width).toBeUndefined() // it fills its place
  for (const [, size] of JSON.stringify(figure).matchAll(/"size":(\d+),"family"|tickfont":{"size":(\d+)/g))
    expect(Number(size ?? 10)).toBeGreaterThanOrEqual(10)
  expect(height).toBeGreaterThan(100)
  expect(font.size).toBeGreaterThanOrEqual(12)
  expect(figure.data.length).toBeGreaterThan(0)
}
