import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presets, saveCheckpoint } from 'makemoe'
import { type ExportOptions, exportPage } from 'makemoe/dist/cli/export'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { config, makeModel, openPage, tokenizer } from '../show/page/small-page'

const folder = mkdtempSync(join(tmpdir(), 'page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const model = makeModel()

// Not through `main`, which sets up a Python environment first.
describe('npm run export', () => {
  const out = join(folder, 'out.html')
  const common = { out, precision: 'int8', characters: 20_000 } as const

  test.each([
    ['is not there', () => join(folder, 'nothing')],
    ['config.json', () => folder],
  ])('refuses what is not a checkpoint (%s) and writes nothing', async (message, checkpoint) => {
    writeFileSync(join(folder, 'config.json'), '{}')
    await expect(exportPage({ ...common, checkpoint: checkpoint() })).rejects.toThrow(message)
    expect(existsSync(out)).toBe(false)
  })
  test('refuses another kind of file, and an empty prompt', async () => {
    await expect(exportPage({ ...common, checkpoint: folder, out: 'model.png' })).rejects.toThrow(
      'got model.png, expected a file that ends in',
    )
    await expect(exportPage({ ...common, checkpoint: folder, prompt: '' })).rejects.toThrow('prompt: got an empty text')
  })

  /** What an export says of a checkpoint that was made with these parts, and with a text that its record names. */
  async function exported(names: readonly string[] | undefined, options: Partial<ExportOptions> = {}): Promise<string> {
    const [checkpoint, text] = ['checkpoint', 'text.txt'].map((name) => join(folder, name)) as [string, string]
    const { vocabSize: _, ...ofModel } = config
    writeFileSync(text, 'abc de\n<'.repeat(40))
    rmSync(out, { force: true })
    saveCheckpoint(checkpoint, {
      model,
      tokenizer,
      config: { ...presets.corrected, ...ofModel },
      text: { sha256: '', path: text },
      ...(names ? { parts: { names } } : {}),
    })
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    try {
      await exportPage({ ...common, checkpoint, ...options })
      return log.mock.calls.join('\n')
    } finally {
      log.mockRestore()
    }
  }
  test('measures the text that the run was trained on, and says what the precision costs', async () => {
    expect(await exported(undefined, { prompt: 'abc' })).toMatch(
      /MB, int8 weights\nloss of 31 characters of validation text: \d\.\d{5} nats \(fp32: \d\.\d{5}, [+-]0\.\d{5}; \d+\.\d\d % of the choices of experts change\), \d\.\d{4} bits per character/,
    )
    expect(openPage(readFileSync(out, 'utf8')).data.prompt).toBe('abc')
  })
  test('refuses parts by value with the reason; those that matter in training alone are no obstacle', async () => {
    await expect(exported(['router', 'optimizer'])).rejects.toThrow(
      'cannot become a page: it was made with parts passed by value (router), and a page has only',
    )
    expect(existsSync(out)).toBe(false)
    const parts = join(folder, 'parts.cjs')
    writeFileSync(parts, 'exports.balance = () => 0')
    await exported(['balance'], { parts })
    expect(openPage(readFileSync(out, 'utf8')).engine.config.nEmbed).toBe(16)
  })
})
