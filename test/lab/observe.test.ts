import {
  type Context,
  compile,
  createStreams,
  type MixtureContext,
  Module,
  SparseMoELanguageModel,
  type Tensor,
  tf,
  validateConfig,
} from 'makemoe'
import { coActivation, repetition, shareFromCharacter } from 'makemoe/dist/lab/analysis'
import { Observation, observe, observed } from 'makemoe/dist/lab/observe'
import type { Compile } from 'makemoe/dist/makemoe/train/compile'
import { describe, expect, test } from 'vitest'
import { expectClose, twoLayers } from '../support'

const V = 7
const T = 8
const eager: Compile = (fn) => fn

function setUp(more: object = {}) {
  const config = { ...validateConfig({ ...twoLayers, nEmbed: 16, blockSize: T, dropout: 0.1, ...more }), vocabSize: V }
  const streams = createStreams(5)
  const model = new SparseMoELanguageModel(config, streams.init)
  const x = streams.data.integers([3, T], 0, V)
  return { model, streams, x, config }
}

describe('observing', () => {
  test.each([
    ['eager', eager, {}],
    ['compiled', compile, {}],
    ['compiled, with capacity', compile, { capacityFactor: 0.5 }],
    ['compiled, sigmoid and swiglu', compile, { router: 'sigmoid', expert: 'swiglu', topK: 3 }],
    ['compiled, one choice', compile, { topK: 1 }],
    ['compiled, all experts', compile, { topK: 4 }],
  ] as [string, Compile, object][])(
    '%s: the result of a pass stays the same to the bit, in training and evaluation',
    (_how, wrap, more) => {
      for (const training of [false, true]) {
        const { model, x } = setUp(more)
        const [first, second] = [0, 1].map((): Context => ({ training, streams: createStreams(9) })) // the same dropout and noise
        const plain = wrap((ids: Tensor) => model.forward(ids, first as Context))(x)
        const { result } = wrap((ids: Tensor) => observed((ctx) => model.forward(ids, ctx), second as Context))(x)
        expect(Array.from(result.dataSync())).toEqual(Array.from(plain.dataSync()))
      }
    },
  )

  test('leaves nothing behind, and whoever else observes goes on observing', () => {
    const { model, streams, x } = setUp()
    observe(model, x, { training: false, streams })
    const { numTensors } = tf.memory()
    for (let i = 0; i < 3; i++) observe(model, x, { training: false, streams })
    expect(tf.memory().numTensors).toBe(numTensors)
    const others: number[] = []
    observe(model, x, { training: false, streams, observer: ({ layer }) => void others.push(layer) })
    expect(others).toEqual([0, 1])
  })

  test('numbers of each layer agree with what is counted from the choices', () => {
    const { model, streams, x, config } = setUp()
    const layers = observe(model, x, { training: false, streams })
    expect(layers.map(({ layer }) => layer)).toEqual([0, 1])
    const ids = Array.from(x.dataSync())
    for (const layer of layers) {
      const { choices, gates, demand, load, importance } = layer
      const counted = new Array<number>(config.numExperts).fill(0)
      const weighed = new Array<number>(config.numExperts).fill(0)
      for (const [i, expert] of Array.from(choices.experts).entries()) {
        counted[expert] = (counted[expert] ?? 0) + 1
        weighed[expert] = (weighed[expert] ?? 0) + (gates[i] ?? 0)
      }
      expect(choices.experts).toHaveLength(ids.length * config.topK)
      expect([demand, load]).toEqual([counted, counted])
      expectClose(importance, weighed, 1e-5)
      const tokens = Array.from({ length: ids.length }, (_, n) => gates.subarray(n * config.topK, (n + 1) * config.topK))
      const entropies = tokens.map((own) => own.reduce((sum, gate) => sum - gate * Math.log(gate), 0))
      expect(layer.entropy).toBeCloseTo(entropies.reduce((sum, value) => sum + value) / ids.length, 5)
      const total = weighed.reduce((sum, value) => sum + value)
      expect(layer.meanGateEntropy).toBeCloseTo(-weighed.reduce((sum, w) => sum + (w > 0 ? (w / total) * Math.log(w / total) : 0), 0), 5)
      expect(layer.maxVio).toBeCloseTo(Math.max(...counted) / (choices.experts.length / config.numExperts) - 1, 10)
      expect(layer.dead).toEqual(counted.flatMap((count, expert) => (count === 0 ? [expert] : [])))
      expect(layer.dropShare).toBeUndefined()
      expect(layer.coActivation).toEqual(coActivation(choices))
      expect(layer.repetition).toEqual(repetition(choices, T))
      expect(layer.fromCharacter).toBe(shareFromCharacter(choices, ids))
    }
  })

  test('several passes add up to one', () => {
    const { model, streams, x } = setUp({ capacityFactor: 0.5, capacityMode: 'always' })
    const pass = (ids: Tensor) => observed((ctx) => model.forward(ids, ctx), { training: false, streams }).layers
    const both = new Observation()
    const [first, rest] = tf.split(x, [1, 2]) as [Tensor, Tensor]
    both.add(pass(first))
    both.add(pass(rest))
    const [together] = both.summary(x.dataSync(), T)
    const parts = [first, rest].map((ids) => observe(model, ids, { training: false, streams })[0])
    const sum = (pick: (layer: NonNullable<(typeof parts)[number]>) => number) =>
      parts.reduce((total, part, i) => total + (part ? pick(part) : Number.NaN) * (i === 0 ? 1 / 3 : 2 / 3), 0)
    expect(together?.dropShare).toBeCloseTo(
      sum((part) => part.dropShare ?? Number.NaN),
      6,
    )
    expect(together?.entropy).toBeCloseTo(
      sum((part) => part.entropy),
      6,
    )
    expect(together?.z).toBeCloseTo(
      sum((part) => part.z),
      6,
    )
    expect(together?.load).toEqual(parts[0]?.load.map((count, e) => count + (parts[1]?.load[e] ?? 0)))
    expect(together?.load).not.toEqual(together?.demand)
  })

  test('a mixture that reports too little is refused by name', () => {
    class Silent extends Module {
      forward(x: Tensor, ctx: MixtureContext): Tensor {
        ctx.observer?.({ load: tf.zeros([2]) } as never)
        return x
      }
    }
    expect(() => observe(new Silent(), tf.zeros([2, 2]), { training: false, streams: createStreams(1) })).toThrow(
      /routing record without layer/,
    )
  })
})
