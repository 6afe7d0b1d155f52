/** The routers beyond top-k: switch, hash, random, and experts that choose. */
import {
  ConfigError,
  type Context,
  createStreams,
  generate,
  presets,
  type RoutingRecord,
  SparseMoE,
  SparseMoELanguageModel,
  type Tensor,
  tf,
  type Variable,
} from 'makemoe'
import { GeluExpert } from 'makemoe/dist/makemoe/moe/expert/gelu'
import { ExpertChoiceRouter } from 'makemoe/dist/makemoe/moe/router/expert-choice'
import { HashRouter } from 'makemoe/dist/makemoe/moe/router/hash'
import { RandomRouter } from 'makemoe/dist/makemoe/moe/router/random'
import { SwitchRouter } from 'makemoe/dist/makemoe/moe/router/switch'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

const streams = createStreams(8)
const ctx: Context = { training: true, streams }
const random = (...shape: number[]): Tensor => tf.randomNormal(shape, 0, 1, 'float32', 12) as Tensor
const tiny = { ...presets.default, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, numExperts: 4 }

/** The records of one forward pass, layer by layer. */
function observe(config: object, training = true): RoutingRecord[] {
  const streams = createStreams(4)
  const model = new SparseMoELanguageModel({ ...tiny, ...config }, streams.init)
  const records: RoutingRecord[] = []
  const x = streams.data.integers([2, 4], 0, 5)
  model.loss(x, x, { training, streams, observer: (record) => void records.push(record) })
  return records
}

test('switch, hand-worked: the most likely expert, and its probability as the gate', () => {
  const router = new SwitchRouter(1, 3, 1, streams.init)
  assignParameter(router.scores.weight, Float32Array.of(0, Math.log(2), Math.log(5)))
  assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0))
  const { experts, gates } = router.forward(tf.tensor2d([[1], [-1]])) // probabilities (1, 2, 5) / 8 and (10, 5, 2) / 17
  expect(experts.arraySync()).toEqual([[2], [0]])
  expectClose(gates, [5 / 8, 10 / 17], 1e-6)
  expectGradient((x) => router.forward(x).gates, random(4, 1))
  expect(() => new SparseMoELanguageModel({ ...tiny, router: 'switch' }, streams.init)).toThrow(/got switch with topK 2, expected topK 1/)
})

test('random: K different experts for each token, equal gates, others in each pass, in evaluation too', () => {
  const router = new RandomRouter(5, 3)
  const passes = [true, false, false].map((training) => router.forward(tf.zeros([40, 2]), { training, streams }))
  for (const { experts, gates } of passes) {
    for (const row of experts.arraySync() as number[][]) expect(new Set(row).size).toBe(3)
    expectClose(gates, new Array(120).fill(1 / 3), 1e-6)
  }
  expect(new Set(passes.map(({ experts }) => experts.dataSync().join())).size).toBe(3)
  const counts = tf.sum(tf.oneHot(tf.reshape(router.forward(tf.zeros([4000, 2]), ctx).experts, [-1]), 5), 0).dataSync()
  for (const count of counts) expect(Math.abs(count - 2400)).toBeLessThan(4 * Math.sqrt(2400))
})

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

describe('expert choice', () => {
  test('hand-worked: four tokens, two experts, one choice each on average', () => {
    const router = new ExpertChoiceRouter(1, 2, 1, streams.init)
    assignParameter(router.scores.weight, Float32Array.of(0, 1))
    assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0))
    const p = (x: number): number => 1 / (1 + Math.exp(-x)) // of expert 1; expert 0 has the rest
    // Expert 0 takes the two least, 0 and -2; expert 1 the two largest, 3 and 1.
    const { experts, gates } = router.forward(tf.tensor2d([[3], [0], [1], [-2]]))
    expect(experts.arraySync()).toEqual([
      [1, 2],
      [0, 2],
      [1, 2],
      [0, 2],
    ])
    expectClose(gates, [p(3), 0, p(0), 0, p(1), 0, p(2), 0], 1e-6)
    expectGradient((x) => router.forward(x).gates, tf.tensor2d([[3], [0], [1], [-2]]))
  })
  test('the mixture is the sum over the experts that chose a token; every load is the even share', () => {
    const [N, C, E] = [12, 4, 3]
    const moe = new SparseMoE(
      new ExpertChoiceRouter(C, E, 2, streams.init),
      Array.from({ length: E }, () => new GeluExpert(C, streams.init)),
    )
    const x = random(N, C)
    const records: RoutingRecord[] = []
    const y = moe.forward(x, { ...ctx, observer: (record) => void records.push(record) })
    const [{ allGates, load, demand, dropped }] = records as [RoutingRecord]
    expect([load, demand].map((counts) => counts.arraySync())).toEqual(Array(2).fill([8, 8, 8]))
    expect(dropped.arraySync()).toBe(0)
    const experts = moe.experts.map((expert, e) => tf.mul(expert.forward(x), tf.slice(allGates, [0, e], [-1, 1])))
    expectClose(y, tf.addN(experts), 1e-5)
    expect((allGates.arraySync() as number[][]).flat().filter((gate) => gate > 0)).toHaveLength(N * 2)
  })
  test('nothing is reported as dropped, and capacity is refused', () => {
    const names: string[] = []
    const model = new SparseMoELanguageModel({ ...tiny, router: 'expert-choice' }, streams.init)
    const x = streams.data.integers([2, 4], 0, 5)
    model.loss(x, x, { ...ctx, report: (name) => void names.push(name) })
    expect(names).toContain('routing/layer_0/load')
    expect(names.filter((name) => /dropped/.test(name))).toEqual([])
    const limited = { ...tiny, router: 'expert-choice', capacityFactor: 1 } as const
    expect(() => new SparseMoELanguageModel(limited, streams.init)).toThrow(ConfigError)
    expect(() => new SparseMoELanguageModel(limited, streams.init)).toThrow(/capacityFactor: got 1 with experts that choose/)
  })
  test('the leak: a later token changes what an earlier one gets, in evaluation too; the model says so and does not write', () => {
    const model = new SparseMoELanguageModel({ ...tiny, router: 'expert-choice' }, streams.init)
    const evaluating: Context = { training: false, streams }
    const first = (ids: number[]): Float32Array => {
      const logits = model.forward(tf.tensor2d([ids], [1, 4], 'int32'), evaluating)
      return tf.slice(logits, [0, 0, 0], [1, 3, 5]).dataSync() as Float32Array
    }
    const logits = [0, 1, 2, 3, 4].map((last) => first([1, 2, 3, last]).join())
    expect(new Set(logits).size).toBeGreaterThan(1)
    expect([model.looksAhead(), model.rowsAreIndependent(false)]).toEqual([true, false])
    const write = () => [...generate(model, [[0]], { tokens: 1, streams })]
    expect(write).toThrow(ConfigError)
    expect(write).toThrow(/whose experts choose tokens, which looks ahead/)
    expect(new SparseMoELanguageModel(tiny, streams.init).looksAhead()).toBe(false)
  })
})

test('GeluExpert, hand-worked: gelu(x W1 + b1) W2 + b2', () => {
  const expert = new GeluExpert(1, streams.init, { width: 1 })
  for (const [i, value] of [2, -1, 3, 0.5].entries()) assignParameter(expert.parameters()[i] as Variable, Float32Array.of(value))
  expectClose(expert.forward(tf.tensor2d([[1]])), [3 * 0.841344746 + 0.5], 1e-6) // Phi(1) = 0.841344746
})
