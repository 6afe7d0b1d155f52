import { createStreams, type RoutingRecord, SparseMoELanguageModel, type Tensor, tf } from 'makemoe'
import { routingMetrics } from 'makemoe/dist/makemoe/moe/routing-metrics'
import { describe, expect, test } from 'vitest'
import { expectClose, twoLayers } from '../../support'

const rows = (values: number[][], dtype: 'float32' | 'int32' = 'float32') => tf.tensor(values, undefined, dtype)

/** Three tokens, two choices of four experts; the probabilities are given. */
const record: RoutingRecord = {
  layer: 0,
  tokens: [3],
  experts: rows(
    [
      [0, 1],
      [0, 2],
      [0, 1],
    ],
    'int32',
  ),
  gates: rows([
    [0.5, 0.5],
    [1, 0],
    [0.75, 0.25],
  ]),
  logits: rows([
    [0, 0, 0, 0],
    [Math.log(3), 0, 0, 0],
    [1, 1, 1, 1],
  ]),
  probabilities: rows([
    [0.4, 0.3, 0.2, 0.1],
    [0.7, 0.1, 0.2, 0],
    [0.5, 0.3, 0.1, 0.1],
  ]),
  allGates: rows([
    [0.5, 0.5, 0, 0],
    [1, 0, 0, 0],
    [0.75, 0.25, 0, 0],
  ]),
  demand: tf.tensor1d([3, 2, 1, 0], 'int32'),
  load: tf.tensor1d([2, 2, 1, 0], 'int32'),
  drops: true,
  dropped: tf.scalar(1, 'int32'),
  entropy: tf.scalar(0.4),
}
const numbers = (tensor: Tensor | undefined) => Array.from(tensor?.dataSync() ?? [])

describe('routing metrics', () => {
  test('by hand', () => {
    const metrics = routingMetrics(record)
    expect(numbers(metrics.demand)).toEqual([3, 2, 1, 0])
    expect(numbers(metrics.load)).toEqual([2, 2, 1, 0])
    expect(numbers(metrics.dropped)).toEqual([1])
    expectClose(numbers(metrics.drop_share), [1 / 6], 1e-6)
    expectClose(numbers(metrics.importance), [2.25, 0.75, 0, 0], 1e-6)
    expectClose(numbers(metrics.mean_gate_entropy), [-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25))], 1e-5)
    expectClose(numbers(metrics.margin), [(0.1 + 0.1 + 0.2) / 3], 1e-5) // second largest minus third: 0.3 - 0.2, 0.2 - 0.1, 0.3 - 0.1
    expectClose(numbers(metrics.max_vio), [1], 1e-6) // 3 of a mean of 1.5
    expect(numbers(metrics.dead)).toEqual([1])
    expectClose(numbers(metrics.z), [(Math.log(4) ** 2 + Math.log(6) ** 2 + (1 + Math.log(4)) ** 2) / 3], 1e-5)
  })
  test('nothing of drops where nothing can be dropped, no margin where all experts are chosen', () => {
    const names = ['demand', 'dropped', 'drop_share']
    expect(Object.keys(routingMetrics(record))).toEqual(expect.arrayContaining(names))
    for (const name of names) expect(Object.keys(routingMetrics({ ...record, drops: false }))).not.toContain(name)
    const all = { ...record, experts: tf.zeros([3, 4], 'int32'), gates: tf.fill([3, 4], 0.25) }
    expect(Object.keys(routingMetrics(all))).not.toContain('margin')
  })
  test('even routing: entropies at their bounds, MaxVio 0', () => {
    const even = {
      ...record,
      experts: rows(
        [
          [0, 1],
          [2, 3],
        ],
        'int32',
      ),
      allGates: rows([
        [0.5, 0.5, 0, 0],
        [0, 0, 0.5, 0.5],
      ]),
      demand: tf.tensor1d([1, 1, 1, 1], 'int32'),
    }
    const { mean_gate_entropy, max_vio, dead } = routingMetrics(even)
    expectClose(numbers(mean_gate_entropy), [Math.log(4)], 1e-6)
    expect([...numbers(max_vio), ...numbers(dead)]).toEqual([0, 0])
  })
  test.each([undefined, 0.5])('of a model with capacity factor %s: all are finite, under the name of their layer', (capacityFactor) => {
    const streams = createStreams(3)
    const config = { ...twoLayers, nEmbed: 16, blockSize: 8, capacityFactor, vocabSize: 5 }
    const model = new SparseMoELanguageModel(config, streams.init)
    const reports = new Map<string, number[]>()
    const report = (name: string, value: Tensor) => void reports.set(name, Array.from(value.dataSync()))
    const x = tf.zeros([2, 8], 'int32') as Tensor
    model.loss(x, x, { training: true, streams, report })
    expect([...reports.keys()]).toEqual(
      expect.arrayContaining(['routing/layer_0/load', 'routing/layer_1/max_vio', 'routing/layer_1/importance', 'routing/layer_0/z']),
    )
    expect([...reports.keys()].some((name) => name.includes('drop'))).toBe(capacityFactor !== undefined)
    for (const values of reports.values()) for (const value of values) expect(value).toBeGreaterThanOrEqual(-1e-5)
  })
})
