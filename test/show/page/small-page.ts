/** A small model for pages, and a page as its engine reads it. The model is made for each file of tests, after which it is disposed. */
import { CharTokenizer, createStreams, presets, SparseMoELanguageModel, tf } from 'makemoe'
import { engineOf, type PageData, parseData } from 'makemoe/dist/show/page/contents'
import type { Engine } from 'makemoe/dist/show/page/engine'
import { plainLinear } from 'makemoe/dist/show/page/ops'

export const tokenizer = CharTokenizer.fromText('\n abcde<')
export const config = {
  ...presets.corrected,
  vocabSize: 8,
  blockSize: 8,
  nEmbed: 16,
  nHead: 2,
  nLayer: 2,
  numExperts: 4,
  topK: 2,
  initialization: 'kaiming' as const,
}
export const makeModel = (): SparseMoELanguageModel => new SparseMoELanguageModel(config, createStreams(1).init)
export const validation = Array.from({ length: 65 }, (_, i) => (i * i + (i >> 2)) % 8)

/** What an element of a page holds. */
export const partOf = (html: string, id: string): string => new RegExp(`id="${id}">([^]*?)</(?:script|style)>`).exec(html)?.[1] as string
export function openPage(html: string): { data: PageData; engine: Engine } {
  const data = parseData(partOf(html, 'data'))
  return { data, engine: engineOf(partOf(html, 'weights'), data, plainLinear) }
}

/** TensorFlow's mean loss over windows of 8. */
export const lossOf = (model: SparseMoELanguageModel, ids: readonly number[]): number =>
  tf.tidy(() => {
    const count = Math.floor((ids.length - 1) / 8)
    const [x, y] = [0, 1].map((shift) => tf.tensor2d(ids.slice(shift, shift + count * 8), [count, 8], 'int32'))
    return model.loss(x as never, y as never, { training: false, streams: createStreams(0) }).dataSync()[0] as number
  })
