/** The drawings of the notebooks: files that markdown shows. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = join(__dirname, '../../notebooks')
const drawings = readdirSync(join(folder, 'images'))
const markdown = readdirSync(folder)
  .filter((name) => name.endsWith('.ipynb'))
  .flatMap((name): { cell_type: string; source: string[] }[] => JSON.parse(readFileSync(join(folder, name), 'utf8')).cells)
  .filter(({ cell_type }) => cell_type === 'markdown')
  .map(({ source }) => [source].flat().join(''))
const images = markdown.flatMap((text) => [...text.matchAll(/!\[([^\]]*)\]\(([^)]*)\)/g)].map(([, alt = '', file = '']) => ({ alt, file })))
const svgOf = (name: string): string => readFileSync(join(folder, 'images', name), 'utf8')

test('every image of a notebook is a file, with words for who cannot see it', () => {
  expect(images.length).toBeGreaterThanOrEqual(13)
  for (const { alt, file } of images) {
    expect(existsSync(join(folder, file)), file).toBe(true)
    expect(alt.length).toBeGreaterThan(15)
  }
})

describe.each(drawings)('%s', (name) => {
  const svg = svgOf(name)
  test('is shown by a notebook', () => expect(images.map(({ file }) => file)).toContain(`images/${name}`))
  test('is well-formed, has a title, runs nothing and reads nothing', () => {
    const open: string[] = []
    for (const [, close, tag, self] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (close) expect(open.pop()).toBe(tag)
      else if (!self) open.push(tag as string)
    }
    expect(open).toEqual([])
    expect(svg).toMatch(/<title>[^<]{15,}<\/title>/)
    expect(svg).not.toMatch(/NaN|undefined|<script|<foreignObject|\son\w+=|href|@import|url\((?!#)/)
  })
  test('stands on a light card of its own size, so that it is legible on a dark page', () => {
    const [, width, height] = /^<svg [^>]*width="(\d+)" height="(\d+)"/.exec(svg) ?? []
    expect(svg).toContain(`<rect class="card" width="${width}" height="${height}"/>`)
    expect(svg).toMatch(/\.card \{ fill: #fafafa/)
  })
  test('every arrow has the tip of its color', () => {
    for (const [, color] of svg.matchAll(/url\(#tip-(\w+)\)/g)) expect(svg).toContain(`<marker id="tip-${color}"`)
    for (const [, stroke, tip] of svg.matchAll(/stroke: #(\w+)" marker-end="url\(#tip-(\w+)\)"/g)) expect(tip).toBe(stroke)
  })
})

test('the gates in the drawing of top-k gating are those of its logits', () => {
  const larger = Math.exp(2) / (Math.exp(2) + Math.exp(1.2)) // the softmax of the two largest
  expect([1 - larger, larger].map((gate) => gate.toFixed(2))).toEqual(['0.31', '0.69'])
  expect([...svgOf('top-k-gating.svg').matchAll(/>(0\.\d\d|0)<\/text>/g)].map(([, gate]) => gate)).toEqual(['0.31', '0', '0.69', '0'])
})
