import { createHash } from 'node:crypto'
import { createStreams, tf } from 'makemoe'
import { makePage } from 'makemoe/dist/show/page/page'
import { precisions } from 'makemoe/dist/show/page/weights'
import { describe, expect, test } from 'vitest'
import { config, lossOf, makeModel, openPage, partOf, tokenizer, validation } from './small-page'

const model = makeModel()

describe('the page', () => {
  test.each(precisions)('with %s weights holds the model, and its loss', (precision) => {
    const { html, facts } = makePage(model, tokenizer.vocabulary, { precision, validation })
    const { data, engine } = openPage(html)
    expect(data.vocabulary).toEqual(tokenizer.vocabulary)
    expect(facts.validation?.characters).toBe(64)
    expect(facts.validation?.lossInFull).toBeCloseTo(lossOf(model, validation), 4)
    if (precision === 'fp32') expect(facts.validation?.loss).toBe(facts.validation?.lossInFull)
    expect(Math.abs((facts.validation?.loss as number) - lossOf(model, validation))).toBeLessThan(
      { fp32: 1e-5, fp16: 1e-2, int8: 0.1 }[precision],
    )
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
})
