import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CharTokenizer,
  createStreams,
  kaimingNormal,
  modelPage,
  presets,
  SparseMoELanguageModel,
  SwigluExpert,
  saveCheckpoint,
  type Tensor,
  TopkRouter,
  tf,
  topKGating,
} from 'makemoe'
import { type ExportOptions, exportPage } from 'makemoe/dist/cli/export'
import { engineOf, parseData } from 'makemoe/dist/show/page/contents'
import { plainLinear } from 'makemoe/dist/show/page/ops'
import { makePage } from 'makemoe/dist/show/page/page'
import { precisions } from 'makemoe/dist/show/page/weights'
import { type Settings, Writer } from 'makemoe/dist/show/page/writer'
import { afterAll, describe, expect, test, vi } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const tokenizer = CharTokenizer.fromText('\n abcde<')
const config = {
  ...presets.default,
  vocabSize: 8,
  blockSize: 8,
  nEmbed: 16,
  nHead: 2,
  nLayer: 2,
  numExperts: 4,
  topK: 2,
  initialization: 'kaiming' as const,
}
const model = new SparseMoELanguageModel(config, createStreams(1).init)
const validation = Array.from({ length: 65 }, (_, i) => (i * i + (i >> 2)) % 8)

const partOf = (html: string, id: string): string => new RegExp(`id="${id}">([^]*?)</(?:script|style)>`).exec(html)?.[1] as string
const openPage = (html: string) => {
  const data = parseData(partOf(html, 'data'))
  return { data, engine: engineOf(partOf(html, 'weights'), data, plainLinear) }
}
/** TensorFlow's mean loss over windows of 8. */
const lossOf = (ids: readonly number[]): number =>
  tf.tidy(() => {
    const count = Math.floor((ids.length - 1) / 8)
    const [x, y] = [0, 1].map((shift) => tf.tensor2d(ids.slice(shift, shift + count * 8), [count, 8], 'int32'))
    return model.loss(x as never, y as never, { training: false, streams: createStreams(0) }).dataSync()[0] as number
  })

describe('the page', () => {
  test.each(precisions)('with %s weights holds the model, and its loss', (precision) => {
    const { html, facts } = makePage(model, tokenizer.vocabulary, { precision, validation })
    const { data, engine } = openPage(html)
    expect(data.vocabulary).toEqual(tokenizer.vocabulary)
    expect(facts.validation?.characters).toBe(64)
    expect(facts.validation?.lossInFull).toBeCloseTo(lossOf(validation), 4)
    if (precision === 'fp32') expect(facts.validation?.loss).toBe(facts.validation?.lossInFull)
    expect(Math.abs((facts.validation?.loss as number) - lossOf(validation))).toBeLessThan({ fp32: 1e-5, fp16: 1e-2, int8: 0.1 }[precision])
    expect(facts.validation?.load.reduce((a, b) => a + b)).toBe(64 * 2 * 2)
    const logits = engine.forward(validation.slice(0, 8), engine.sequence())
    const expected = tf.tidy(() =>
      model.forward(tf.tensor2d(validation.slice(0, 8), [1, 8], 'int32'), { training: false, streams: createStreams(0) }).dataSync(),
    )
    if (precision === 'fp32')
      for (const [i, logit] of logits.entries()) expect(Math.abs(logit - (expected[i] as number))).toBeLessThan(1e-4)
  })
  test('reaches nothing outside itself, and its policy allows its own script and style alone', () => {
    const { html } = makePage(model, tokenizer.vocabulary)
    const hash = (id: string): string => `'sha256-${createHash('sha256').update(partOf(html, id)).digest('base64')}'`
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1]
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain(`script-src ${hash('code')} 'wasm-unsafe-eval'`)
    expect(policy).toContain(`style-src ${hash('style')}`)
    expect(html.match(/<\/script>/g)).toHaveLength(3)
    expect(html).not.toMatch(/src=|@import|url\(|fetch\(|XMLHttpRequest|import\(/)
    expect(openPage(html).data.vocabulary).toContain('<')
  })
  test('has the whole program in its script, with the modules that it imports', () => {
    const code = partOf(makePage(model, tokenizer.vocabulary).html, 'code')
    expect(code).not.toMatch(/\brequire\(|\bmodule\b/)
    for (const name of ['Desk', 'Writer', 'Engine', 'simdLinear', 'parseData'])
      expect(code).toMatch(new RegExp(`(class|function|var) ${name}\\b`))
  })
  test('of a model that the engine does not have is refused', () => {
    const odd = { ...config, router: 'other' }
    const other = { config: odd, saveState: model.saveState.bind(model), parameterCount: () => 0, activeParameterCount: () => 0 }
    expect(() => makePage(other, tokenizer.vocabulary)).toThrow(
      'router: the engine has noisy-topk, topk, sigmoid, switch, hash, hash-gated; this model has other',
    )
  })
  test('of a model with a part by value is refused, even where its tensors have the usual names', () => {
    const expert = (): SwigluExpert => new SwigluExpert(16, createStreams(2).init)
    expect(() =>
      modelPage(new SparseMoELanguageModel(config, createStreams(1).init, { expert }), tokenizer, { file: 'never.html' }),
    ).toThrow('cannot become a page: the checkpoint has no tensor blocks.0.smoe.experts.0.net.0.weight')
    class Backwards extends TopkRouter {
      override forward(x: Tensor): ReturnType<TopkRouter['forward']> {
        const logits = tf.neg(this.scores.forward(x))
        return { ...topKGating(logits, this.topK), logits }
      }
    }
    const router = (): Backwards => new Backwards(16, 4, 2, createStreams(3).init, { init: kaimingNormal })
    const topk = { ...config, router: 'topk' as const }
    expect(() => modelPage(new SparseMoELanguageModel(topk, createStreams(1).init, { router }), tokenizer, { file: 'never.html' })).toThrow(
      /cannot become a page: the page's engine computes something else than this model does: their logits differ by \d/,
    )
    expect(existsSync('never.html')).toBe(false)
  })
  test('in a notebook is a file and an iframe of it', () => {
    const file = join(folder, 'my model.html')
    const { html, text } = modelPage(model, tokenizer, { file, validation })
    expect(html).toContain('<iframe src="my%20model.html"')
    expect(text).toContain('my model.html')
    expect(openPage(readFileSync(file, 'utf8')).data.prompt).toBe('\n')
  })
})

describe('a writer', () => {
  const { engine, data } = openPage(makePage(model, tokenizer.vocabulary, { precision: 'fp32' }).html)
  const write = (settings: Settings, steps: number, prompt = 'abc'): Writer => {
    const writer = new Writer(engine, data.vocabulary, prompt, settings)
    for (let i = 0; i < steps; i++) writer.step()
    return writer
  }
  const textOf = ({ characters }: Writer): string => characters.map(({ text }) => text).join('')

  test('writes the same for the same seed, another text for another', () => {
    expect(textOf(write({ temperature: 1, seed: 1 }, 60))).toBe(textOf(write({ temperature: 1, seed: 1 }, 60)))
    expect(textOf(write({ temperature: 1, seed: 1 }, 60))).not.toBe(textOf(write({ temperature: 1, seed: 2 }, 60)))
  })
  test('at temperature 0 takes what TensorFlow finds most likely, through the sliding window', () => {
    const ids = [...tokenizer.encode('abc')]
    for (let i = 0; i < 20; i++) {
      const window = ids.slice(-8)
      const logits = tf.tidy(() =>
        model
          .forward(tf.tensor2d(window, [1, window.length], 'int32'), { training: false, streams: createStreams(0) })
          .dataSync()
          .slice(-8),
      )
      ids.push(logits.indexOf(Math.max(...logits)))
    }
    expect(textOf(write({ temperature: 0, seed: 1 }, 20))).toBe(tokenizer.decode(ids))
  })
  test('remembers how likely each character was, its path, and the load', () => {
    const writer = write({ temperature: 1, seed: 3 }, 20, 'abcabcabcabc')
    const [first, ...rest] = writer.characters
    expect(first?.expected).toBeUndefined()
    for (const { id, expected, path } of rest) {
      expect(expected?.[id as number]).toBeGreaterThan(0)
      expect(path.map(({ experts }) => experts.length)).toEqual([2, 2])
    }
    expect(writer.load.reduce((a, b) => a + b)).toBe(32 * 2 * 2)
  })
  test('measures the loss of its text as TensorFlow does', () => {
    const writer = write({ temperature: 1, seed: 3 }, 62)
    const windows = writer.loss([])
    let window = windows.next()
    for (; !window.done; window = windows.next()) expect(window.value).toBeUndefined()
    const ids = [...tokenizer.encode(textOf(writer))]
    expect(ids).toHaveLength(65)
    expect(window.value).toBeCloseTo(lossOf(ids), 4)
  })
  test('keeps at least topK experts of a layer, and shows characters that it does not know', () => {
    const writer = write({ temperature: 1, seed: 3 }, 3, 'aé')
    expect([0, 1, 2].map((expert) => writer.toggle(1, expert))).toEqual([true, true, false])
    writer.step()
    expect(writer.characters.at(-1)?.path[1]?.experts.toSorted()).toEqual([2, 3])
    expect(writer.toggle(1, 0)).toBe(true)
    expect([...writer.off]).toEqual([4 + 1])
    expect(textOf(writer)).toMatch(/^aé/)
    expect(writer.unknown).toEqual(['é'])
    expect(textOf(write({ temperature: 1, seed: 3 }, 0, 'é'))).toBe('é\n') // something must be there to begin with
  })
})

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
      config: { ...presets.default, ...ofModel },
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
