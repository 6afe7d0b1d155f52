import { compile, createStreams, Dataset, exactLoss, SparseMoE, SparseMoELanguageModel, tf, validateConfig } from 'makemoe'
import { atRandom, knockOut } from 'makemoe/dist/lab/knock-out'
import { observed } from 'makemoe/dist/lab/observe'
import type { Compile } from 'makemoe/dist/makemoe/train/compile'
import { makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { describe, expect, test } from 'vitest'
import { twoLayers } from '../support'

const V = 7
const T = 8
const eager: Compile = (fn) => fn
const ids = Int32Array.from({ length: 900 }, (_, i) => (i * i + (i >> 3)) % V)

/** A model whose weights are far from their start, so that every expert matters. */
function setUp(more: object = {}) {
  const config = { ...validateConfig({ ...twoLayers, nEmbed: 16, blockSize: T, initialization: 'kaiming', ...more }), vocabSize: V }
  const streams = createStreams(5)
  const model = new SparseMoELanguageModel(config, streams.init)
  return { model, streams, config, dataset: new Dataset(ids, T) }
}

const lossOf = ({ model, dataset, streams }: ReturnType<typeof setUp>): number =>
  exactLoss(makeLossSum(model, { training: false, streams }), dataset).nats

/** The same model with weights that never choose an expert: its logit is far below the others. */
function lossWithout(layer: number, expert: number, more: object): number {
  const changed = setUp(more)
  const [, bias] = changed.model.namedParameters().find(([name]) => name === `blocks.${layer}.moe.router.scores.bias`) ?? []
  if (!bias) throw new Error('the router has no bias')
  bias.assign(tf.tensor1d(Array.from(bias.dataSync(), (value, e) => (e === expert ? -1e9 : value))))
  return lossOf(changed)
}

describe('knock-out', () => {
  test.each([
    ['eager', eager, {}],
    ['compiled', compile, {}],
    ['compiled, one choice', compile, { topK: 1 }],
    ['compiled, sigmoid router, balanced by a bias', compile, { router: 'sigmoid', balance: 'bias' }],
  ] as [string, Compile, object][])('%s: as with weights that never choose the expert', async (_how, wrap, more) => {
    const set = setUp(more)
    const { model, dataset, streams, config } = set
    const shares: number[] = []
    const found = await knockOut(model, dataset, { streams, compile: wrap, onProgress: (share) => shares.push(share) })
    expect(found.loss).toBeCloseTo(lossOf(set), 5)
    expect(found.characters).toBe(88)
    for (let layer = 0; layer < config.nLayer; layer++)
      for (let expert = 0; expert < config.numExperts; expert++)
        expect(found.without[layer]?.[expert], `${layer}/${expert}`).toBeCloseTo(lossWithout(layer, expert, more), 5)
    expect(new Set(found.without.flat()).size).toBeGreaterThan(4)
    expect(shares).toEqual([...shares].sort((a, b) => a - b))
    expect(shares.at(-1)).toBe(1)
  })

  test('one choice: as the same weights with topK 1; at random: every expert is chosen as often, and the loss is another', async () => {
    const set = setUp()
    const { model, dataset, streams } = set
    const { topOne, random, loss } = await knockOut(model, dataset, { streams })
    expect(topOne).toBeCloseTo(lossOf(setUp({ topK: 1 })), 5)
    expect(Math.abs((random ?? loss) - loss)).toBeGreaterThan(1e-4)
    const x = streams.data.integers([64, T], 0, V)
    const intervene = atRandom(streams, x.size, 4)
    const { layers } = observed((ctx) => model.forward(x, ctx), { training: false, streams, intervene })
    for (const { metrics } of layers) for (const load of metrics.load?.dataSync() ?? []) expect(Math.abs(load - 256)).toBeLessThan(60)
  })

  test('with all experts chosen nothing can be switched off or drawn', async () => {
    const { model, dataset, streams } = setUp({ topK: 4 })
    const { without, random, topOne } = await knockOut(model, dataset, { streams })
    expect([without, random]).toEqual([[undefined, undefined], undefined])
    expect(topOne).toBeCloseTo(lossOf(setUp({ topK: 1 })), 5)
  })

  test('a router that ignores its bias is found out', async () => {
    const { model, dataset, streams } = setUp()
    const moe = model.blocks[0]?.moe
    if (moe instanceof SparseMoE) {
      const forward = moe.router.forward.bind(moe.router)
      moe.router.forward = (x, ctx) => forward(x, ctx)
    }
    const { without, random } = await knockOut(model, dataset, { streams })
    expect([without[0], random]).toEqual([undefined, undefined])
    expect(without[1]).toHaveLength(4)
  })

  test('a model that is noisy in evaluation meets the same noise each time; the streams stay where they were', async () => {
    const { model, dataset, streams } = setUp({ noiseMode: 'always' })
    const before = streams.noise.counter.dataSync()[0]
    const first = await knockOut(model, dataset, { streams })
    expect(await knockOut(model, dataset, { streams })).toEqual(first)
    expect(streams.noise.counter.dataSync()[0]).toBe(before)
  })

  test('fewer characters, and a signal that stops it', async () => {
    const { model, dataset, streams } = setUp()
    expect([...dataset.windows('val', undefined, 20)].map(({ x }) => x.shape)).toEqual([[3, T]])
    expect((await knockOut(model, dataset, { streams, characters: 20 })).characters).toBe(24)
    const signal = AbortSignal.abort(new Error('stopped'))
    await expect(knockOut(model, dataset, { streams, signal })).rejects.toThrow('stopped')
  })
})
