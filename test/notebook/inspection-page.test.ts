import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspectionPage } from 'makemoe'
import { afterAll, describe, expect, test } from 'vitest'
import { makeInspected } from '../lab/inspected'

const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
afterAll(() => rmSync(folder, { recursive: true }))
const { dataset, model, tokenizer } = makeInspected()

describe('the page', () => {
  test('from a cell: a file, and an iframe of it', async () => {
    const file = join(folder, 'my page.html')
    const { html, text: shown } = await inspectionPage(model, tokenizer, dataset, { file, characters: 32, title: 'Mine' })
    expect(html).toContain('<iframe src="my%20page.html" title="Mine"')
    expect(shown).toMatch(/my page\.html \(\d\.\d MB\)/)
    expect(readFileSync(file, 'utf8')).toContain('<h1>Mine</h1>')
  })
})
