import { type Context, createStreams, presets, type RoutingRecord, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { HashRouter } from 'makemoe/dist/makemoe/moe/router/hash'
import { expect, test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(8)
const ctx: Context = { training: true, streams }
const random = (...shape: number[]): Tensor => tf.randomNormal(shape, 0, 1, 'float32', 12) as Tensor
const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, numExperts: 4 }

/** The records of one forward pass, layer by layer. */
function observe(config: object, training = true): RoutingRecord[] {
  const streams = createStreams(4)
  const model = new SparseMoELanguageModel({ ...tiny, ...config }, streams.init)
  const records: RoutingRecord[] = []
  const x = streams.data.integers([2, 4], 0, 5)
  model.loss(x, x, { training, streams, observer: (record) => void records.push(record) })
  return records
}

test('hash: the experts of an id are those of its table, wherever it stands, and are saved', () => {
  const router = new HashRouter(6, 4, 2, streams.init)
  const table = router.table.arraySync() as number[][]
  for (const row of table) expect(new Set(row).size).toBe(2)
  const ids = [5, 0, 0, 3]
  const { experts, gates } = router.forward(random(4, 3), { ...ctx, tokenIds: tf.tensor2d([ids], [1, 4], 'int32') })
  expect(experts.arraySync()).toEqual(ids.map((id) => table[id]))
  expectClose(gates, new Array(8).fill(0.5), 1e-7)
  expect(router.parameterCount()).toBe(0)
  const state = new Map()
  router.saveState(state)
  expect([...state.keys()]).toEqual(['table'])
  expect(() => router.forward(random(4, 3), ctx)).toThrow(/router hash: got no token ids, expected one for each of 4 tokens/)
  const [first, second] = observe({ router: 'hash', nLayer: 2 }).map((record) => record.experts.dataSync().join())
  expect(second).not.toBe(first) // each layer has a table of its own
})
