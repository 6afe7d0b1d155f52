import {
  type Context,
  createStreams,
  kaimingInit,
  Linear,
  Module,
  presets,
  ShapeError,
  SparseMoELanguageModel,
  scaledInit,
  type Tensor,
  TopkRouter,
  tf,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { cases, relativeError } from '../../support'

const streams = createStreams(3)
const evaluating: Context = { training: false, streams }
const tiny = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 } as const
const ids = (B: number, T: number, seed = 1): Tensor => createStreams(seed).data.integers([B, T], 0, 11)

describe('SparseMoELanguageModel', () => {
  test('has the published number of parameters, in all and active', () => {
    const model = new SparseMoELanguageModel({ ...presets.makemoe, vocabSize: 65 }, createStreams(1).init)
    expect(model.parameterCount()).toBe(8_996_545)
    expect(model.activeParameterCount()).toBe(2_674_369)
    model.dispose()
  })
  test('changing character t leaves the scores before t alone', () => {
    const model = new SparseMoELanguageModel(tiny, streams.init)
    const x = ids(1, 8)
    const changed = Int32Array.from(x.dataSync())
    changed[5] = ((changed[5] as number) + 1) % 11
    const [a, b] = [x, tf.tensor2d(changed, [1, 8], 'int32')].map((x) => model.forward(x, evaluating).arraySync() as number[][][])
    expect(relativeError(a?.[0]?.slice(0, 5).flat() ?? [], b?.[0]?.slice(0, 5).flat() ?? [])).toBeLessThan(1e-6)
    expect(relativeError(a?.[0]?.[5] ?? [], b?.[0]?.[5] ?? [])).toBeGreaterThan(1e-3)
  })
  // PyTorch, test/pytorch/makemoe.py on Tiny Shakespeare, 12 seeds: mean 5.153, deviation 0.14 (seed 1337: 5.375; published: 5.32, 5.35).
  test('initialization: makemoe starts where PyTorch does, corrected at ln V', () => {
    const first = (preset: 'makemoe' | 'corrected', seed: number) => {
      const s = createStreams(seed)
      const model = new SparseMoELanguageModel({ ...presets[preset], vocabSize: 65 }, s.init)
      const batch = cases(8, 32)
      const x = s.data.integers([batch, 33], 0, 65)
      const loss = tf.tidy(
        () => model.loss(tf.slice(x, [0, 0], [batch, 32]), tf.slice(x, [0, 1], [batch, 32]), { training: false, streams: s }).dataSync()[0],
      )
      model.dispose()
      return loss as number
    }
    const losses = Array.from({ length: cases(3, 6) }, (_, i) => first('makemoe', i + 1))
    expect(losses.reduce((a, b) => a + b) / losses.length).toBeGreaterThan(5.153 - 0.12)
    expect(losses.reduce((a, b) => a + b) / losses.length).toBeLessThan(5.153 + 0.12)
    expect(first('corrected', 1)).toBeCloseTo(Math.log(65), 1)
    expect(kaimingInit.head).not.toBe(scaledInit.head)
  })
  test('router, expert and balancing loss are passed in', () => {
    class Square extends Module {
      readonly map = new Linear(16, 16, streams.init)
      forward(x: Tensor): Tensor {
        return tf.square(this.map.forward(x))
      }
    }
    const model = new SparseMoELanguageModel(tiny, streams.init, {
      router: (config, stream) => new TopkRouter(config.nEmbed, config.numExperts, 1, stream),
      expert: () => new Square(),
      balance: ({ layer }) => tf.scalar(layer + 1),
    })
    const added: [name: string, value: unknown][] = []
    const training: Context = { ...evaluating, training: true, addLoss: (name, value) => added.push([name, value.arraySync()]) }
    const [x, y] = [ids(2, 8), ids(2, 8, 2)]
    expect(model.loss(x, y, training).dataSync()[0]).toBeLessThan(4) // the cross-entropy alone
    expect(added).toEqual([
      ['balance', 1],
      ['balance', 2],
    ])
    expect(model.describe()).toMatch(/router: TopkRouter/)
  })
  test('attention and the whole mixture are passed in; an unknown part is refused with the nearest name', () => {
    class Dense extends Linear {}
    class Mean extends Module {
      forward(x: Tensor): Tensor {
        return tf.mul(x, 1)
      }
    }
    const parts = { moe: () => new Dense(16, 16, streams.init), attention: () => new Mean() }
    const model = new SparseMoELanguageModel(tiny, streams.init, parts)
    expect(model.forward(ids(2, 8), evaluating).shape).toEqual([2, 8, 11])
    expect(model.activeParameterCount()).toBe(model.parameterCount())
    expect(model.rowsAreIndependent(false)).toBe(false) // unknown
    const mistyped = { routr: () => new TopkRouter(16, 4, 1, streams.init) }
    expect(() => new SparseMoELanguageModel(tiny, streams.init, mistyped as never)).toThrow(/parts: got routr, .*did you mean router\?/)
    const forgotten = { expert: () => {} }
    expect(() => new SparseMoELanguageModel(tiny, streams.init, forgotten as never)).toThrow(/parts\.expert: got nothing back, .*return/)
  })
  test('rows are independent but where capacity counts', () => {
    const independent = (config: object, training: boolean) =>
      new SparseMoELanguageModel({ ...tiny, ...config }, streams.init).rowsAreIndependent(training)
    expect([independent({}, true), independent({}, false)]).toEqual([true, true])
    expect([independent({ capacityFactor: 1 }, true), independent({ capacityFactor: 1 }, false)]).toEqual([false, true])
    expect(independent({ capacityFactor: 1, capacityMode: 'always' }, false)).toBe(false)
  })
  test('refuses a context that is too long', () => {
    const model = new SparseMoELanguageModel(tiny, streams.init)
    expect(() => model.forward(ids(1, 9), evaluating)).toThrow(ShapeError)
    expect(() => model.forward(ids(1, 9), evaluating)).toThrow(/got token ids of shape \[1, 9\], expected \[B, 1 to 8\]/)
  })
})
