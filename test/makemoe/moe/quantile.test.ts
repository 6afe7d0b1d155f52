/** Quantile balancing: biases that are solved for, with no weight to set. */
import {
  balances,
  ConfigError,
  compile,
  createStreams,
  Dataset,
  generate,
  loadStateDict,
  presets,
  type RoutingRecord,
  SparseMoELanguageModel,
  stateDictOf,
  type Tensor,
  Trainer,
  tf,
  validateConfig,
} from 'makemoe'
import { QuantileBias, quantileBiases } from 'makemoe/dist/makemoe/moe/balance/quantile'
import type { Collectives } from 'makemoe/dist/runs/cluster/collectives'
import { gatherRouting } from 'makemoe/dist/runs/cluster/whole-batch'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const config = {
  ...presets.corrected,
  nEmbed: 8,
  nHead: 2,
  nLayer: 2,
  blockSize: 4,
  vocabSize: 5,
  numExperts: 4,
  topK: 2,
  dropout: 0,
  router: 'topk',
  balance: 'quantile',
} as const

/** How many tokens choose each expert by s + b. */
function demandOf(scores: Tensor, bias: Tensor, topK: number): number[] {
  const { indices } = tf.topk(tf.add(scores, bias), topK)
  return [...tf.sum(tf.oneHot(tf.reshape(indices, [-1]), scores.shape[1] as number), 0).dataSync()]
}

describe('the turn', () => {
  test('by hand: three tokens, three experts, one choice', () => {
    // With b = 0 the second largest of each row are 2, 3, 1: alpha - s = [-3, 0, 1], [-1, 2, 0], [-2, 1, 0]. One token a expert (m = 1): the second
    // smallest of the columns are -2, 1, 0, whose mean is -1/3.
    const scores = tf.tensor2d([
      [5, 2, 1],
      [4, 1, 3],
      [3, 0, 1],
    ])
    expectClose(quantileBiases(scores, tf.zeros([3]), 1), [-2 + 1 / 3, 1 + 1 / 3, 1 / 3], 1e-6)
  })
  test('turns with the same tokens end where each expert has its N K / E of them', () => {
    const [N, E, K] = [64, 4, 2]
    const scores = tf.add(tf.randomNormal([N, E], 0, 1, 'float32', 3), tf.tensor1d([2, 0, 0, -1]))
    let bias: Tensor = tf.zeros([E])
    expect(Math.max(...demandOf(scores, bias, K))).toBeGreaterThan(50)
    const first = demandOf(scores, quantileBiases(scores, bias, K), K)
    expect(Math.max(...first) - Math.min(...first)).toBeLessThan(20) // one turn does most of it
    for (let turn = 0; turn < 200; turn++) bias = quantileBiases(scores, bias, K)
    // The token that stands on an expert's quantile ties with the next in line: each expert may win or lose E - 1 of them.
    for (const demand of demandOf(scores, bias, K)) expect(Math.abs(demand - (N * K) / E)).toBeLessThanOrEqual(E - 1)
  })
  test('a number that does not divide is cut: five tokens, two experts, one choice', () => {
    const scores = tf.tensor2d([[1], [2], [3], [4], [5]]).mul(tf.tensor2d([[1, 0]])) as Tensor
    // alpha = 0: -s = [-1 .. -5] and 0s; m = 2, so the third smallest: -3 and 0
    expectClose(quantileBiases(scores, tf.zeros([2]), 1), [-1.5, 1.5], 1e-6)
  })
})

test('a graph computes what is computed op by op', () => {
  const scores = tf.randomNormal([12, 4], 0, 1, 'float32', 5)
  const bias = tf.tensor1d([0.1, -0.2, 0.3, -0.2])
  const turn = (scores: Tensor, bias: Tensor): Tensor => quantileBiases(scores, bias, 2)
  expect([...compile(turn)(scores, bias).dataSync()]).toEqual([...turn(scores, bias).dataSync()])
})

/** A model after some steps, from where another left it if one is given. */
function trained(
  steps: number,
  { eager = false, from }: { readonly eager?: boolean; readonly from?: { model: SparseMoELanguageModel; trainer: Trainer } } = {},
) {
  const streams = createStreams(4)
  const model = new SparseMoELanguageModel(config, from ? createStreams(9).init : streams.init)
  const ids = new Int32Array(400).map((_, i) => (i * i + (i >> 3)) % 5)
  const dataset = new Dataset(ids, config.blockSize)
  const settings = { ...config, steps: 6, batchSize: 8, schedule: 'constant' } as const
  const trainer = new Trainer(model, dataset, settings, streams, eager ? {} : { compile })
  if (from) {
    loadStateDict(model, stateDictOf(from.model))
    trainer.restore(from.trainer.state())
  }
  for (let step = 0; step < steps; step++) trainer.trainOnce()
  return { model, trainer }
}

test('a training step sets the biases from its own scores, evaluation and writing use them and leave them alone', () => {
  const streams = createStreams(4)
  const model = new SparseMoELanguageModel(config, streams.init)
  const x = streams.data.integers([8, 4], 0, 5)
  const seen: { compared: number[]; experts: number[] }[] = []
  const observer = ({ compared, experts }: RoutingRecord): void =>
    void seen.push({ compared: [...(compared as Tensor).dataSync()], experts: [...experts.dataSync()] })
  const biases = (): number[][] =>
    [...stateDictOf(model)].filter(([name]) => name.includes('balancing')).map(([, { values }]) => [...values])
  model.loss(x, x, { training: true, streams, observer, addLoss: () => {} })
  const after = biases()
  expect(after).toHaveLength(2)
  for (const [layer, bias] of after.entries()) {
    expectClose(bias, quantileBiases(tf.tensor2d(seen[layer]?.compared as number[], [32, 4]), tf.zeros([4]), 2), 1e-6)
    expect(bias.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 5)
  }
  expect(after[0]?.some((value) => Math.abs(value) > 1e-4)).toBe(true)
  seen.length = 0
  model.loss(x, x, { training: false, streams, observer })
  const { compared, experts } = seen[0] as { compared: number[]; experts: number[] }
  expect(experts).toEqual([...tf.topk(tf.add(tf.tensor2d(compared, [32, 4]), tf.tensor1d(after[0] as number[])), 2).indices.dataSync()])
  const write = (cached: boolean): number[][] =>
    [...generate(model, [[1]], { tokens: 9, streams: createStreams(5), cached })].map((row) => [...row])
  expect(write(true)).toEqual(write(false))
  expect(biases()).toEqual(after)
})

test('training: graph and op by op have the same biases, a saved state continues to the bit', () => {
  const expected = stateDictOf(trained(6).model)
  const eager = stateDictOf(trained(6, { eager: true }).model)
  const names = [...expected.keys()].filter((name) => name.includes('balancing'))
  expect(names).toHaveLength(2)
  for (const name of names) expectClose(eager.get(name)?.values as Float32Array, expected.get(name)?.values as Float32Array, 1e-4)
  const resumed = stateDictOf(trained(3, { from: trained(3) }).model)
  for (const [name, { values }] of resumed) expect([...values], name).toEqual([...(expected.get(name)?.values ?? [])])
})

test('several processes gather the scores, sent once where they are the logits', () => {
  const sent: number[] = []
  const gather = (x: Tensor): Tensor => {
    sent.push(x.shape[1] as number)
    return tf.concat([x, x])
  }
  const [experts, gates, logits] = [tf.zeros([2, 1], 'int32'), tf.ones([2, 1]), tf.randomNormal([2, 3])]
  const plan = { demand: tf.zeros([3], 'int32'), load: tf.zeros([3], 'int32'), drops: false }
  const comparedOf = (compared: Tensor): Tensor | undefined =>
    gatherRouting({ gather } as unknown as Collectives, { routing: { experts, gates, logits, compared }, plan, tokens: [1, 2] }).routing
      .compared
  const other = tf.sigmoid(logits) as Tensor
  for (const compared of [logits, other]) expectClose(comparedOf(compared) as Tensor, tf.concat([compared, compared]), 1e-7)
  expect(sent).toEqual([5, 8])
})

test('where it has nothing to work on it is refused, and layers with a table are left alone', () => {
  const make = (changes: object) => new SparseMoELanguageModel({ ...config, ...changes }, createStreams(1).init)
  expect(() => make({ topK: 4 })).toThrow(/got quantile with topK 4 of 4 experts/)
  expect(() => validateConfig({ ...presets.corrected, balance: 'quantile', router: 'hash' })).toThrow(/quantile with the router hash/)
  expect(() => validateConfig({ ...presets.corrected, balance: 'quantile:0.1' })).toThrow(/got quantile:0.1, expected quantile alone/)
  expect(() => validateConfig({ ...presets.corrected, balance: 'bias,quantile' })).toThrow(/got bias and quantile, expected one of them/)
  expect(() => validateConfig({ ...presets.corrected, balance: 'quantile', accumulate: 2 })).toThrow(ConfigError)
  expect(validateConfig({ ...presets.corrected, balance: 'switch:0.01,quantile', router: 'hash', firstRouters: 'topk' }).balance).toContain(
    'quantile',
  )
  const names = [...stateDictOf(make({ firstRouters: 'hash' })).keys()].filter((name) => name.includes('balancing'))
  expect(names.map((name) => name.includes('.1.'))).toEqual([true])
  expect(() => balances.quantile.state({ numExperts: 2, topK: 1 }).update({} as RoutingRecord)).toThrow(
    /expected a routing with `compared`/,
  )
  expect(new QuantileBias(3, 1).namedParameters()).toEqual([])
})
