import {
  ConfigError,
  type Context,
  createStreams,
  presets,
  type RoutingRecord,
  SparseMoELanguageModel,
  switchLoss,
  type Tensor,
  tf,
} from 'makemoe'
import { parseBalance } from 'makemoe/dist/makemoe/moe/balance/from-config'
import { inLayer } from 'makemoe/dist/makemoe/nn/context'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../support'

/** A record of given choices and logits; the rest is what no loss here looks at. */
function record(choices: number[][], logits: Tensor): RoutingRecord {
  const E = logits.shape[1] as number
  const experts = tf.tensor2d(choices, undefined, 'int32')
  const demand = tf.tensor1d(
    Array.from({ length: E }, (_, e) => choices.flat().filter((choice) => choice === e).length),
    'int32',
  )
  return { experts, demand, logits, probabilities: tf.softmax(logits) } as RoutingRecord
}

describe('switch balancing loss', () => {
  test('hand-worked: two tokens, two experts, both to the first', () => {
    // f = [1, 0]; P = [(3/4 + 1/2) / 2, ...] = [5/8, 3/8]; L = 2 * 5/8.
    const logits = tf.tensor2d([
      [Math.log(3), 0],
      [0, 0],
    ])
    expectClose(switchLoss(record([[0], [0]], logits)), [1.25], 1e-6)
  })
  test.each([1, 2, 4])('is 1 for even demand and probabilities, whatever k is: k = %i', (k) => {
    const choices = [0, 1, 2, 3].map((t) => Array.from({ length: k }, (_, i) => (t + i) % 4))
    expectClose(switchLoss(record(choices, tf.zeros([4, 4]))), [1], 1e-6)
  })
  test('its gradient is that of P, f being constant', () => {
    const logits = tf.randomNormal([5, 3], 0, 1, 'float32', 3) as Tensor
    expectGradient((logits) => switchLoss(record([[0], [0], [1], [2], [0]], logits)), logits)
  })
  test('demand counts, not load: dropping changes nothing', () => {
    const losses = [undefined, 0.25].map((capacityFactor) => {
      const streams = createStreams(4)
      const config = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, capacityFactor }
      const model = new SparseMoELanguageModel({ ...config, balance: 'switch:0.5' }, streams.init)
      const added: [string, unknown][] = []
      const addLoss = (name: string, value: Tensor) => void added.push([name, value.arraySync()])
      const x = streams.data.integers([2, 4], 0, 5)
      model.loss(x, x, { training: true, streams, addLoss })
      return added
    })
    expect(losses[0]).toEqual([['switch', expect.any(Number)]])
    expect(losses[1]).toEqual(losses[0])
  })
})

describe('parseBalance', () => {
  test('none, a name with its usual weight, a weight', () => {
    expect(parseBalance('none')).toEqual([])
    expect(parseBalance('switch')).toEqual([{ name: 'switch', weight: 0.01 }])
    expect(parseBalance(' switch : 1e-3 ')).toEqual([{ name: 'switch', weight: 0.001 }])
  })
  test.each([
    ['swich:1', /balance: got swich, expected none or some of switch.*did you mean switch\?/],
    ['', /got nothing/],
    ['switch:', /got switch:, expected switch:WEIGHT/],
    ['switch:-1', /expected switch:WEIGHT with a weight >= 0/],
    ['switch:1:2', /expected switch:WEIGHT/],
    ['switch,switch', /got switch twice/],
  ])('refuses %s', (text, message) => {
    expect(() => parseBalance(text)).toThrow(ConfigError)
    expect(() => parseBalance(text)).toThrow(message)
  })
})

test('inLayer puts the layer before the last part of a name, and nothing where nobody listens', () => {
  const names: string[] = []
  const ctx = { training: true, streams: createStreams(1) }
  const inside = inLayer<Context>({ ...ctx, report: (name) => void names.push(name) }, 3)
  inside.report?.('z', tf.scalar(1))
  inside.report?.('routing/load', tf.scalar(1))
  expect(names).toEqual(['layer_3/z', 'routing/layer_3/load'])
  expect(inLayer(ctx, 3)).toEqual({ ...ctx, layer: 3 })
})
