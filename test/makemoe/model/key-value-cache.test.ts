import fc from 'fast-check'
import {
  type Context,
  compile,
  createStreams,
  generate,
  type ModelParts,
  presets,
  SparseMoELanguageModel,
  type Tensor,
  TopkRouter,
  tf,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { cases, expectClose } from '../../support'

const tiny = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 } as const
const streams = createStreams(3)
const ctx: Context = { training: false, streams }

describe('the cache of keys and values', () => {
  test('position by position, the logits are those of the whole window', () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 1, max: 4 }),
      nHead: fc.constantFrom(1, 2, 4),
      nLayer: fc.integer({ min: 1, max: 2 }),
      blockSize: fc.integer({ min: 1, max: 12 }),
      topK: fc.integer({ min: 1, max: 4 }),
      sharedExperts: fc.integer({ min: 0, max: 1 }),
      expert: fc.constantFrom('relu' as const, 'swiglu' as const),
      router: fc.constantFrom('noisy-topk' as const, 'topk' as const, 'sigmoid' as const, 'hash' as const, 'hash-gated' as const),
      capacityFactor: fc.constantFrom(undefined, 1), // counts in training alone
      seed: fc.integer({ min: 1, max: 1e6 }),
      positions: fc.constantFrom('learned', 'rope'),
      norm: fc.constantFrom('layer', 'rms'),
      qkNorm: fc.constantFrom('none', 'rms'),
      embeddings: fc.constantFrom('separate', 'tied'),
      ngram: fc.integer({ min: 1, max: 4 }),
    })
    fc.assert(
      fc.property(shapes, ({ rows, seed, ...config }) => {
        tf.tidy(() => {
          const { init, data } = createStreams(seed)
          const model = new SparseMoELanguageModel({ ...tiny, ...config }, init)
          const ids = data.integers([rows, config.blockSize], 0, tiny.vocabSize)
          const whole = model.forward(ids, ctx) // [S, T, V]
          const cache = model.newCache(rows)
          if (!cache) throw new Error('expected a cache')
          const logits = tf.unstack(ids, 1).map((column, t) => {
            const position = tf.fill([rows], t, 'int32')
            return model.forward(tf.expandDims(column, 1), { ...ctx, cache: cache.atPosition(position) })
          })
          expectClose(tf.concat(logits, 1), whole, 1e-5)
          cache.dispose()
          model.dispose()
        })
      }),
      { numRuns: cases(12, 40) },
    )
  })

  const write = (model: SparseMoELanguageModel, prompts: number[][], cached: boolean, fast: boolean): number[][] => {
    const makeStep = fast ? compile : undefined
    const options = { tokens: 14, streams: createStreams(5), temperature: 0.9, sampleTopK: 6, cached, ...(makeStep && { makeStep }) }
    return [...generate(model, prompts, options)].map((row) => [...row])
  }
  const modern = { ...tiny, positions: 'rope', norm: 'rms', qkNorm: 'rms', embeddings: 'tied', expert: 'relu2', ngram: 3 } as const
  test.each([
    [false, tiny],
    [true, tiny],
    [false, modern],
    [true, modern],
  ])('texts are the same with it and without, past the window too (compiled: %s)', (fast, config) => {
    const model = new SparseMoELanguageModel({ ...config, nLayer: cases(1, 2) }, createStreams(4).init)
    for (const prompts of [[[1]], [[1], [2, 3, 4, 5, 6]], [[0, 1, 2, 3, 4, 5, 6, 7], [1]], [[...Array(9).keys()], [3]]])
      expect(write(model, prompts, true, fast)).toEqual(write(model, prompts, false, fast))
  })
  test('generating leaves no tensors behind, nor does stopping early', () => {
    const model = new SparseMoELanguageModel(tiny, createStreams(4).init)
    const one = createStreams(5)
    const before = tf.memory().numTensors
    for (const _ of generate(model, [[1], [2, 3]], { tokens: 3, streams: one })) void _
    for (const _ of generate(model, [[1]], { tokens: 12, streams: one })) break
    expect(tf.memory().numTensors).toBe(before)
  })

  test.each<[string, object, ModelParts?]>([
    ['capacity counts in evaluation', { capacityFactor: 1, capacityMode: 'always' }],
    ['the router is noisy in evaluation', { noiseMode: 'always' }],
    ['the router draws', { router: 'random' }],
    ['the router looks at later tokens', { router: 'expert-choice' }],
    ['a router was passed in', {}, { router: (config, stream) => new TopkRouter(config.nEmbed, config.numExperts, 1, stream) }],
  ])('there is none where %s', (_, config, parts = {}) => {
    expect(new SparseMoELanguageModel({ ...tiny, ...config }, streams.init, parts).newCache(1)).toBeUndefined()
  })
  test("a stranger's model has none, and writes", () => {
    class Stranger extends SparseMoELanguageModel {
      override forward(ids: Tensor, ctx: Context): Tensor {
        return tf.reverse(super.forward(tf.reverse(ids, 1), ctx), 1) // the last character stands at the first position
      }
    }
    const model = new Stranger(tiny, createStreams(4).init)
    expect(model.newCache(1)).toBeUndefined()
    expect(write(model, [[1]], true, false)).toEqual(write(model, [[1]], false, false))
  })
})
