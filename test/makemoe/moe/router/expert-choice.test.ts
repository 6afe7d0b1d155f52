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
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../../support'

const streams = createStreams(8)
const ctx: Context = { training: true, streams }
const random = (...shape: number[]): Tensor => tf.randomNormal(shape, 0, 1, 'float32', 12) as Tensor
const tiny = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 4, vocabSize: 5, dropout: 0, numExperts: 4 }

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
