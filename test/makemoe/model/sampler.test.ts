import fc from 'fast-check'
import { type Context, createStreams, generate, presets, SparseMoELanguageModel, tf } from 'makemoe'
import { filterLogits, nextCharacter, validateSampling } from 'makemoe/dist/makemoe/model/sampler'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../../support'

const streams = createStreams(3)
const evaluating: Context = { training: false, streams }
const tiny = { ...presets.corrected, nEmbed: 16, nHead: 2, nLayer: 2, blockSize: 8, numExperts: 4, vocabSize: 11 } as const

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
