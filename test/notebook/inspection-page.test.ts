import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CharTokenizer, createStreams, Dataset, inspectionPage, SparseMoELanguageModel, validateConfig } from 'makemoe'
import { afterAll, describe, expect, test } from 'vitest'
import { twoLayers } from '../support'

const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
afterAll(() => rmSync(folder, { recursive: true }))
const text = 'First Citizen:\nSpeak, <b> & be "heard"!\n\n'.repeat(40)
const tokenizer = CharTokenizer.fromText(text)
const config = validateConfig({ ...twoLayers, nEmbed: 16, blockSize: 16, nLayer: 2, batchSize: 4, steps: 9, evalIters: 1 })
const streams = createStreams(config.seed)
const dataset = new Dataset(tokenizer.encode(text), config.blockSize)
const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)

describe('the page', () => {
  test('from a cell: a file, and an iframe of it', async () => {
    const file = join(folder, 'my page.html')
    const { html, text: shown } = await inspectionPage(model, tokenizer, dataset, { file, characters: 32, title: 'Mine' })
    expect(html).toContain('<iframe src="my%20page.html" title="Mine"')
    expect(shown).toMatch(/my page\.html \(\d\.\d MB\)/)
    expect(readFileSync(file, 'utf8')).toContain('<h1>Mine</h1>')
  })
})
