/** Comparing: equal conditions, what is trained again and what is not. The command itself, and kills, are in test/cli/compare.test.ts. */
import { mkdtempSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CharTokenizer,
  ConfigError,
  compare,
  comparisons,
  Dataset,
  Expert,
  type Measurement,
  presets,
  summarize,
  tf,
  type Variants,
  validateConfig,
} from 'makemoe'
import { checkVariants } from 'makemoe/dist/lab/compare'
import { textCounts } from 'makemoe/dist/lab/comparisons'
import { describe, expect, test } from 'vitest'
import { cases } from '../support'

const text = 'the quick brown fox jumps over the lazy dog. '.repeat(20)
const tokenizer = CharTokenizer.fromText(text)
const tiny = { nEmbed: 8, nHead: 2, nLayer: cases(1, 2), blockSize: 8, batchSize: 2, numExperts: 4 }
const schedule = { steps: cases(4, 8), evalInterval: cases(2, 4), evalIters: cases(1, 2) }
const config = validateConfig({ ...presets.corrected, ...tiny, ...schedule })
const options = {
  config,
  dataset: new Dataset(tokenizer.encode(text), config.blockSize),
  vocabSize: tokenizer.vocabSize,
  seeds: [5, 6],
  compile: <F>(fn: F) => fn,
  timing: { rounds: cases(0, 1), steps: 1 }, // what a step takes: timing.test.ts
}
/** What does not depend on the clock. */
const timeless = (measurements: readonly Measurement[]) => measurements.map(({ millisecondsPerStep: _, ...rest }) => rest)

describe('compare', () => {
  const variants: Variants = {
    relu: {},
    swiglu: { expert: 'swiglu' },
    mine: { parts: { expert: ({ nEmbed }, stream) => new Expert(nEmbed, stream, { width: 3 }) } },
  }
  test('measures every variant with every seed, leaves nothing behind, and is repeatable', async () => {
    const first = await compare(variants, options)
    expect(first.map(({ variant, seed }) => `${variant} ${seed}`)).toEqual(['relu 5', 'swiglu 5', 'mine 5', 'relu 6', 'swiglu 6', 'mine 6'])
    const before = tf.memory().numTensors
    const again = await compare(variants, options)
    expect(tf.memory().numTensors).toBe(before)
    expect(timeless(again)).toEqual(timeless(first))
    for (const { curve, validationLoss, loadVariation, dropped } of first) {
      expect(curve.map(({ step }) => step)).toEqual([0, schedule.evalInterval, schedule.steps - 1])
      expect(validationLoss).toBeLessThan((curve[0]?.validationLoss ?? 0) + 0.1)
      expect(loadVariation).toBeGreaterThan(0)
      expect(dropped).toBe(0)
    }
  })
  test('conditions are equal: two variants that differ in name alone have the same losses, step by step', async () => {
    const measurements = await compare({ one: {}, other: { router: 'noisy-topk' } }, { ...options, seeds: [7] })
    const [one, other] = timeless(measurements).map(({ variant: _, ...rest }) => rest)
    expect(other).toEqual(one)
    expect(summarize(measurements)[1]?.identical).toBe(true)
  })
  test('drops are measured where there is a capacity', async () => {
    const [limited] = await compare({ limited: { capacityFactor: 0.25 } }, { ...options, seeds: [5] })
    expect(limited?.dropped).toBeGreaterThan(0.4)
    expect(limited?.dropped).toBeLessThan(1)
  })
  test('with a folder, a training that was made is not made again, whatever its variant is called; another one is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'makemoe-compare-'))
    const kept = { ...options, seeds: [5], folder, timing: { rounds: 1, steps: 1 } }
    const first = await compare({ relu: {} }, kept)
    const files = () =>
      readdirSync(join(folder, 'measurements')).map((name) => [name, statSync(join(folder, 'measurements', name)).mtimeMs])
    const written = files()
    const renamed = await compare({ 'by another name': { expert: 'relu' } }, kept)
    expect(renamed).toEqual(first.map((measurement) => ({ ...measurement, variant: 'by another name' })))
    expect(files()).toEqual(written)
    await compare({ wide: { expert: 'swiglu' } }, kept)
    expect(files().filter(([name]) => !String(name).startsWith('times'))).toHaveLength(2)
  })
  test('parts of the same text that capture different values are never taken for each other', async () => {
    const wide = (width: number): Variants[string] => ({
      parts: { expert: ({ nEmbed }, stream) => new Expert(nEmbed, stream, { width }) },
    })
    const short = { ...options, config: { ...config, nLayer: 1, steps: 2 }, seeds: [5] }
    const kept = { ...short, folder: mkdtempSync(join(tmpdir(), 'makemoe-compare-')) }
    for (const partsSource of [undefined, 'one file', 'another'])
      for (const width of [3, 5]) {
        const [measurement] = await compare({ [`width ${width}`]: wide(width) }, { ...kept, partsSource })
        const [again] = await compare({ [`width ${width}`]: wide(width) }, short)
        expect(timeless([measurement as Measurement])).toEqual(timeless([again as Measurement]))
      }
    expect(readdirSync(join(kept.folder, 'measurements')).filter((name) => !name.startsWith('times'))).toHaveLength(4)
  })
  test("a variant's own schedule is the one that it is trained with", async () => {
    const variants: Variants = { usual: {}, still: { parts: { schedule: () => 0 } } }
    const [usual, still, longer, stillStill] = await compare(variants, { ...options, seeds: [5], lengths: [1, 3] })
    expect(stillStill?.validationLoss).toBe(still?.validationLoss)
    expect(longer?.validationLoss).not.toBe(usual?.validationLoss)
  })
  test('a signal stops it; what was finished is returned', async () => {
    const stopping = new AbortController()
    const measurements = await compare(variants, { ...options, signal: stopping.signal, onTrained: () => stopping.abort() })
    expect(measurements).toHaveLength(1)
  })
  test.each([[{ config: { ...config, steps: 0 } }], [{ lengths: [4, 0] }], [{ lengths: [2.5] }]])(
    'a length that cannot be is refused, %#',
    async (wrong) => {
      await expect(compare({ relu: {} }, { ...options, ...wrong })).rejects.toThrow(/^steps: got (0|2\.5), expected/)
    },
  )
  test.each<[Variants, RegExp]>([
    [{ long: { steps: 10 } as object }, /variant long: got steps, expected it in the config that all variants share/],
    [{ odd: { router: 'hsh' as 'hash' } }, /variant odd: router: got hsh/],
    [{ relu: {}, switch: { router: 'switch' } }, /variant switch: router: got switch with topK 2/],
    [{ bytes: { parts: { tokenizer: {} as never } } }, /variant bytes: got a tokenizer, expected none/],
    [{ mine: { parts: { rooter: () => undefined } as object } }, /variant mine: parts: got rooter, .*did you mean router\?/],
  ])('refuses %j before anything is trained', async (variants, message) => {
    const measured: unknown[] = []
    const comparing = compare(variants, {
      ...options,
      onTrained: (each) => void measured.push(each),
      onProgress: () => expect.unreachable(),
    })
    await expect(comparing).rejects.toThrow(ConfigError)
    await expect(comparing).rejects.toThrow(message)
    expect(measured).toEqual([])
  })
  test.each(Object.entries(comparisons))('every variant of %s can be built, of four layers', (_name, make) => {
    const four = { ...config, nLayer: 4 }
    checkVariants(make(four, textCounts(options.dataset, options.vocabSize)), { config: four, vocabSize: options.vocabSize })
  })
  test.each(Object.entries(comparisons))(
    'the variants of %s can be built and trained: the first and the last, and with TESTS=all every one',
    async (_name, make) => {
      const all = Object.entries(make(config))
      const variants = Object.fromEntries([...all.slice(0, 1), ...all.slice(-cases(1, all.length - 1))])
      const measurements = await compare(variants, {
        ...options,
        config: { ...config, nLayer: 1, steps: 2 },
        seeds: [1],
        timing: 'none',
      })
      expect(measurements.map(({ variant }) => variant)).toEqual(Object.keys(variants))
      for (const { validationLoss } of measurements) expect(validationLoss).toBeGreaterThan(0)
    },
    60_000,
  )
})
