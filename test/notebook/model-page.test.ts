import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createStreams,
  kaimingNormal,
  modelPage,
  SparseMoELanguageModel,
  SwigluExpert,
  type Tensor,
  TopkRouter,
  tf,
  topKGating,
} from 'makemoe'
import { afterAll, describe, expect, test } from 'vitest'
import { config, makeModel, openPage, tokenizer, validation } from '../show/page/small-page'

const folder = mkdtempSync(join(tmpdir(), 'page-'))
afterAll(() => rmSync(folder, { recursive: true }))

const model = makeModel()

describe('the page', () => {
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
