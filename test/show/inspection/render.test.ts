import { createHash } from 'node:crypto'
import { inspect } from 'makemoe/dist/lab/inspect'
import { renderInspection } from 'makemoe/dist/show/inspection/render'
import { describe, expect, test } from 'vitest'
import { makeInspected } from '../../lab/inspected'

const { dataset, model, streams, tokenizer } = makeInspected()

describe('the page', () => {
  test('has all sections, escapes what it shows, and allows nothing but its own style', async () => {
    const found = await inspect(model, tokenizer, dataset, { streams, source: '<x>', characters: 64, shown: 40 })
    const html = renderInspection(found, 'A & B')
    for (const id of ['load', 'knock-out', 'routers', 'saturation', 'text', 'classes', 'co-activation', 'characters'])
      expect(html).toContain(`<section id="${id}">`)
    expect(html).toContain('<title>A &amp; B</title>')
    expect(html).toContain('&lt;x&gt;')
    expect(html).not.toMatch(/<x>|<b>|<script|style=|https?:/)
    const [, style = ''] = /<style>(.*)<\/style>/s.exec(html) ?? []
    expect(html).toContain(`style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`)
    expect(html).toContain("default-src 'none'")
    expect(html).toContain('an estimate from the first 64 characters')
    expect(html).toContain('without checkpoints of the run')
    expect(html.match(/name="layer"/g)).toHaveLength(2)
  })
  test('dead experts, one checkpoint, drops, and experts that cannot be switched off are named', async () => {
    const found = await inspect(model, tokenizer, dataset, { streams, source: '', characters: 64 })
    const [first, second] = found.layers
    if (!first || !second) throw new Error('expected two layers')
    const html = renderInspection(
      {
        ...found,
        layers: [
          { ...first, demand: [0, 3, 0, 1], dead: [0, 2] },
          { ...second, dropShare: 0.125 },
        ],
        saturation: [{ step: 9, shares: [1, 1] }],
        knockOut: { ...found.knockOut, without: [undefined, [2, 2, 1, 3]], loss: 2, topOne: undefined },
      },
      '',
    )
    expect(html).toContain('Dead experts, which no token chose: layer 0: 0, 2.')
    expect(html).toContain('keeps one checkpoint only')
    expect(html).toContain('No expert could be switched off in layer 0')
    expect(html).toContain('<td>12.5</td>')
    expect(html).toMatch(/<td class="h20 cold">−1000\.0<\/td><td class="h20">\+1000\.0<\/td>/)
    expect(html).not.toContain('k = 1')
  })
})
