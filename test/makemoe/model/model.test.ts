import fc from 'fast-check'
import {
  Block,
  type Context,
  causalMask,
  createStreams,
  Expert,
  generate,
  kaimingInit,
  Linear,
  loadHeads,
  Module,
  MultiHeadAttention,
  presets,
  ShapeError,
  SparseMoE,
  SparseMoELanguageModel,
  saveHeads,
  scaledInit,
  type Tensor,
  TopkRouter,
  tf,
} from 'makemoe'
import { filterLogits, nextCharacter, validateSampling } from 'makemoe/dist/makemoe/model/sampler'
import { describe, expect, test } from 'vitest'
import { cases, expectClose, relativeError } from '../../support'

const streams = createStreams(3)
const evaluating: Context = { training: false, streams }
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)
const tiny = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 } as const
const ids = (B: number, T: number, seed = 1): Tensor => createStreams(seed).data.integers([B, T], 0, 11)

describe('attention', () => {
  const attention = new MultiHeadAttention(8, 2, 6, streams.init)
  test('heads are saved one by one, in PyTorch names and layout, and read back to the bit', () => {
    const sizes = { nEmbed: 4, nHead: 2, blockSize: 3 }
    const qkv = tf.variable(tf.reshape(tf.range(0, 48), [4, 12])) // 12 columns: 4 of queries, keys and values, 2 of each head
    const state = new Map()
    saveHeads(qkv, sizes, state, 'sa.')
    // The keys of head 1 are columns 6 and 7; PyTorch has them as rows.
    expect(state.get('sa.heads.1.key.weight')).toEqual({ shape: [2, 4], values: new Float32Array([6, 18, 30, 42, 7, 19, 31, 43]) })
    expect(state.size).toBe(8)
    const copy = tf.variable(tf.zeros([4, 12]))
    loadHeads(copy, sizes, state, 'sa.')
    expect(Array.from(copy.dataSync())).toEqual(Array.from(qkv.dataSync()))
    expect(() => loadHeads(copy, sizes, new Map(), 'sa.')).toThrow(/heads\.0\.query\.weight/)
  })
  test('the mask is 0 up to itself and -inf after', () => {
    const inf = Number.NEGATIVE_INFINITY
    expect(causalMask(3).arraySync()).toEqual([
      [0, inf, inf],
      [0, 0, inf],
      [0, 0, 0],
    ])
  })
  test('every row of weights sums to 1 and looks back only', () => {
    const { weights } = attention.weights(random(2, 5, 8), evaluating)
    expect(weights.shape).toEqual([2, 2, 5, 5])
    expectClose(tf.sum(weights, -1), new Float32Array(20).fill(1), 1e-6)
    expect(weights.arraySync()).toSatisfy((w: number[][][][]) =>
      w.every((b) => b.every((h) => h.every((row, i) => row.slice(i + 1).every((x) => x === 0)))),
    )
  })
  test('the scale is a choice: headSize gives larger scores than nEmbed', () => {
    const x = random(1, 6, 8)
    const entropy = (scale: 'headSize' | 'nEmbed') => {
      const { weights } = new MultiHeadAttention(8, 2, 6, createStreams(9).init, { scale }).weights(x, evaluating)
      return tf.sum(tf.mul(weights, tf.log(tf.add(weights, 1e-9)))).dataSync()[0] as number
    }
    expect(entropy('headSize')).toBeGreaterThan(entropy('nEmbed')) // both negative: less entropy with the larger scale
  })
  test('refuses another shape and an odd number of heads', () => {
    expect(() => attention.forward(random(2, 7, 8), evaluating)).toThrow(/attention: got \[2, 7, 8\], expected \[B, T <= 6, 8\]/)
    expect(() => new MultiHeadAttention(8, 3, 6, streams.init)).toThrow(/nEmbed: got 8, expected a multiple of nHead \(3\)/)
  })
})

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
  test('initialization: makemoe starts where PyTorch does, ours at ln V', () => {
    const first = (preset: 'makemoe' | 'default', seed: number) => {
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
    const losses = [1, 2, 3, 4, 5, 6].map((seed) => first('makemoe', seed))
    expect(losses.reduce((a, b) => a + b) / losses.length).toBeGreaterThan(5.153 - 0.12)
    expect(losses.reduce((a, b) => a + b) / losses.length).toBeLessThan(5.153 + 0.12)
    expect(first('default', 1)).toBeCloseTo(Math.log(65), 1)
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
  test('a Block keeps the shape and passes the residual', () => {
    const moe = new SparseMoE(new TopkRouter(8, 2, 1, streams.init), [new Expert(8, streams.init), new Expert(8, streams.init)])
    const block = new Block(8, new MultiHeadAttention(8, 2, 6, streams.init), moe)
    for (const variable of block.parameters()) variable.assign(tf.zeros(variable.shape))
    const x = random(2, 3, 8)
    expectClose(block.forward(x, evaluating), x, 1e-12)
  })
})

describe('sampling', () => {
  test('whatever the settings are, a token is drawn among those that they allow', () => {
    const extreme = fc.oneof(
      fc.double({ min: 0, max: 3, noNaN: true }),
      fc.constantFrom(0, 5e-324, 1e-45, 1e-38, 1e-30, 1e-5, 1e5, 1e38, 1e300, Number.MAX_VALUE),
    )
    const options = fc.record({
      temperature: extreme,
      sampleTopK: fc.option(fc.constantFrom(1, 2, 3, 1000, 2 ** 53), { nil: undefined }),
      sampleTopP: fc.option(fc.constantFrom(Number.MIN_VALUE, 1e-45, 1e-20, 0.3, 1 - 1e-16, 1), { nil: undefined }),
    })
    const logit = fc.oneof(
      fc.integer({ min: -120, max: 120 }).map((quarters) => quarters / 4),
      fc.constantFrom(-1e30, 1e30, 0, Number.NEGATIVE_INFINITY),
    )
    const stream = createStreams(5).sampling
    fc.assert(
      fc.property(fc.array(logit, { minLength: 2, maxLength: 6 }), options, (row, options) => {
        const logits = Float32Array.from([1, ...row])
        const best = Math.max(...logits)
        const filtered = filterLogits(tf.tensor2d(logits, [1, logits.length]), options)
        const [id = -1] = stream.categorical(filtered).dataSync()
        expect(id).toBeGreaterThanOrEqual(0)
        expect(id).toBeLessThan(logits.length)
        const rank = logits.filter((logit) => logit > (logits[id] as number)).length
        expect(rank).toBeLessThan(options.sampleTopK ?? logits.length)
        // Nothing is as likely as the best by more than its distance says.
        if (options.temperature < 1e-6 || (options.sampleTopP ?? 1) < 1e-10) expect(best - (logits[id] as number)).toBeLessThan(1e-3)
      }),
      { numRuns: 300 },
    )
  })
  const logits = tf.log(tf.tensor2d([[0.5, 0.3, 0.15, 0.05]]))
  const alive = (options: Parameters<typeof filterLogits>[1]) =>
    Array.from(filterLogits(logits, options).dataSync()).flatMap((score, i) => (Number.isFinite(score) ? [i] : []))
  test('top-k, top-p and temperature 0', () => {
    expect(alive({})).toEqual([0, 1, 2, 3])
    expect(alive({ sampleTopK: 2 })).toEqual([0, 1])
    expect(alive({ sampleTopP: 0.7 })).toEqual([0, 1])
    expect(alive({ sampleTopP: 0.45 })).toEqual([0])
    expect(alive({ sampleTopP: 1 })).toEqual([0, 1, 2, 3])
    expect(alive({ temperature: 0 })).toEqual([0])
    expectClose(filterLogits(logits, { temperature: 2 }), tf.div(logits, 2), 1e-6)
  })
  test.each([
    [{ temperature: -1 }, /temperature: got -1/],
    [{ temperature: Number.NaN }, /temperature: got NaN/],
    [{ sampleTopK: 0 }, /top-k: got 0/],
    [{ sampleTopP: 1.5 }, /top-p: got 1.5/],
  ])('refuses %j', (options, message) => expect(() => validateSampling(options)).toThrow(message))

  const model = new SparseMoELanguageModel(tiny, streams.init)
  const write = (prompts: number[][], tokens: number, seed = 1, likeMakemoe = false) =>
    [...generate(model, prompts, { tokens, streams: createStreams(seed), likeMakemoe })].map((row) => [...row])
  test('the same seed writes the same; batches write for each prompt; short and long prompts mix', () => {
    expect(write([[1, 2]], 12)).toEqual(write([[1, 2]], 12))
    expect(write([[1, 2]], 12)).not.toEqual(write([[1, 2]], 12, 2))
    const rows = write([[1], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]], 5)
    expect(rows).toHaveLength(5)
    for (const row of rows) expect(row).toHaveLength(2)
  })
  test('what stands behind the last character does not matter', () => {
    const last = tf.tensor1d([2], 'int32')
    const best = (window: number[]) =>
      nextCharacter(model, tf.tensor2d([window], [1, 8], 'int32'), last, { temperature: 0 }, evaluating).dataSync()[0]
    expect(best([1, 2, 3, 0, 0, 0, 0, 0])).toBe(best([1, 2, 3, 9, 8, 7, 6, 5]))
  })
  test('as the original: the window grows from one character', () => expect(write([[0]], 12, 1, true)).toHaveLength(12))
  test('an empty prompt is refused', () => expect(() => write([[]], 1)).toThrow(/empty prompt/))
})
