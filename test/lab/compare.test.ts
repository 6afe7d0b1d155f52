/** Comparing: equal conditions, what is kept, what the table says. The command itself, and kills, are in test/cli/compare.test.ts. */
import { mkdtempSync, readdirSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CharTokenizer,
  ConfigError,
  compare,
  comparisonCurves,
  comparisonLosses,
  comparisons,
  comparisonTable,
  comparisonView,
  createStreams,
  Dataset,
  Expert,
  type Measurement,
  presets,
  SparseMoELanguageModel,
  summarize,
  tf,
  type Variants,
  validateConfig,
} from 'makemoe'
import { flopsPerToken } from 'makemoe/dist/lab/flops'
import { describeComparison } from 'makemoe/dist/lab/summary'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../support'

const text = 'the quick brown fox jumps over the lazy dog. '.repeat(20)
const tokenizer = CharTokenizer.fromText(text)
const tiny = { nEmbed: 8, nHead: 2, nLayer: 2, blockSize: 8, batchSize: 2, numExperts: 4, steps: 8, evalInterval: 4, evalIters: 2 } as const
const config = validateConfig({ ...presets.default, ...tiny })
const options = {
  config,
  dataset: new Dataset(tokenizer.encode(text), config.blockSize),
  vocabSize: tokenizer.vocabSize,
  seeds: [5, 6],
  compile: <F>(fn: F) => fn,
  timing: { rounds: 1, steps: 1 },
}
/** What does not depend on the clock. */
const timeless = (measurements: readonly Measurement[]) => measurements.map(({ millisecondsPerStep: _, ...rest }) => rest)

describe('flopsPerToken', () => {
  test('of the default model, by hand: 5.42 million', () => {
    const model = new SparseMoELanguageModel({ ...presets.default, vocabSize: 65 }, createStreams(1).init)
    const layer = 3 * 128 * 128 + 128 * 128 + 2 * 128 * 8 + 2 * (2 * 128 * 512) // q k v, projection, two router maps, 2 of 8 experts
    expect(flopsPerToken(model)).toBe(2 * (8 * layer + 128 * 65) + 8 * 4 * 32 * 128)
    expect(flopsPerToken(model) / 1e6).toBeCloseTo(5.42, 2)
    model.dispose()
  })
  test('the dense baselines have as many active, or as many, parameters as the sparse model, but for biases and router', () => {
    const counts = Object.values(comparisons.dense(presets.default)).map(({ parts: _, ...changes }: Variants[string]) => {
      const model = new SparseMoELanguageModel({ ...presets.default, ...changes, vocabSize: 65 }, createStreams(1).init)
      const found = { all: model.parameterCount(), active: model.activeParameterCount() }
      model.dispose()
      return found
    })
    const [sparse, active, total] = counts as [(typeof counts)[0], (typeof counts)[0], (typeof counts)[0]]
    expect(sparse).toEqual({ all: 8_996_545, active: 2_674_369 })
    expect(active.active).toBe(active.all)
    expect(Math.abs(active.active / sparse.active - 1)).toBeLessThan(0.01)
    expect(Math.abs(total.all / sparse.all - 1)).toBeLessThan(0.01)
  })
})

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
      expect(curve.map(({ step }) => step)).toEqual([0, 4, 7])
      expect(validationLoss).toBeLessThan((curve[0]?.validationLoss ?? 0) + 0.1)
      expect(loadVariation).toBeGreaterThan(0)
      expect(dropped).toBe(0)
    }
  })
  test('conditions are equal: two variants that differ in name alone have the same losses, step by step', async () => {
    const measurements = await compare({ one: {}, other: { router: 'noisy-topk' } }, { ...options, seeds: [7] })
    const [one, other] = timeless(measurements).map(({ variant: _, ...rest }) => rest)
    expect(other).toEqual(one)
  })
  test('drops are measured where there is a capacity', async () => {
    const [limited] = await compare({ limited: { capacityFactor: 0.25 } }, { ...options, seeds: [5] })
    expect(limited?.dropped).toBeGreaterThan(0.4)
    expect(limited?.dropped).toBeLessThan(1)
  })
  test('with a folder, a training that was made is not made again, whatever its variant is called; another one is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'makemoe-compare-'))
    const kept = { ...options, seeds: [5], folder }
    const first = await compare({ relu: {} }, kept)
    const files = () =>
      readdirSync(join(folder, 'measurements')).map((name) => [name, statSync(join(folder, 'measurements', name)).mtimeMs])
    const written = files()
    const renamed = await compare({ 'by another name': { expert: 'relu' } }, kept)
    expect(renamed).toEqual(first.map((measurement) => ({ ...measurement, variant: 'by another name' })))
    expect(files()).toEqual(written)
    await compare({ wide: { parts: { expert: ({ nEmbed }, stream) => new Expert(nEmbed, stream, { width: 5 }) } } }, kept)
    expect(files().filter(([name]) => !String(name).startsWith('times'))).toHaveLength(2)
  })
  test('a signal stops it; what was finished is returned', async () => {
    const stopping = new AbortController()
    const measurements = await compare(variants, { ...options, signal: stopping.signal, onTrained: () => stopping.abort() })
    expect(measurements).toHaveLength(1)
  })
  test.each<[Variants, RegExp]>([
    [{ long: { steps: 10 } as object }, /variant long: got steps, expected it in the config that all variants share/],
    [{ odd: { router: 'hsh' as 'hash' } }, /variant odd: router: got hsh/],
    [{ relu: {}, switch: { router: 'switch' } }, /variant switch: router: got switch with topK 2/],
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
  test.each(Object.entries(comparisons))(
    'every variant of %s can be built and trained',
    async (_name, make) => {
      const measurements = await compare(make(config), { ...options, config: { ...config, nLayer: 1, steps: 2 }, seeds: [1] })
      expect(measurements.map(({ variant }) => variant)).toEqual(Object.keys(make(config)))
      for (const { validationLoss } of measurements) expect(validationLoss).toBeGreaterThan(0)
    },
    60_000,
  )
})

describe('what it says', () => {
  const measured = (variant: string, seed: number, validationLoss: number, more: Partial<Measurement> = {}): Measurement => ({
    ...{ variant, seed, validationLoss, steps: 10, tokensPerStep: 100, curve: [{ step: 0, trainLoss: 4, validationLoss: 4 }] },
    ...{ millisecondsPerStep: 10 * seed, parameters: 2e6, activeParameters: 1e6, flopsPerToken: 3e6, dropped: 0, looksAhead: false },
    ...more,
  })
  const measurements = [
    [measured('base', 1, 2), measured('better', 1, 1.9), measured('same', 1, 2.1, { looksAhead: true })],
    [measured('base', 2, 2.2), measured('better', 2, 2.09), measured('same', 2, 2.1)],
    [measured('base', 3, 2.4), measured('better', 3, 2.31), measured('same', 3, 2.4)],
  ].flat()
  test('hand-worked: means, spread, paired differences; a small difference that every seed shows is not noise', () => {
    const [base, better, same] = summarize(measurements) as [
      ReturnType<typeof summarize>[0],
      ReturnType<typeof summarize>[0],
      ReturnType<typeof summarize>[0],
    ]
    expect(base).toMatchObject({ variant: 'base', seeds: 3, millisecondsPerStep: 20, parameters: 2e6 })
    expect(base.validationLoss).toBeCloseTo(2.2, 12)
    expect(base.spread).toBeCloseTo(0.2, 12)
    expect(base.difference).toBeUndefined()
    // Differences -0.1, -0.11, -0.09: mean -0.1, deviation 0.01, standard error 0.01 / sqrt(3); t = 17.3 > 4.303.
    expect(better.difference?.mean).toBeCloseTo(-0.1, 12)
    expect(better.difference?.standardError).toBeCloseTo(0.01 / Math.sqrt(3), 12)
    expect(better.difference?.withinNoise).toBe(false)
    expect(same.difference?.withinNoise).toBe(true)
  })
  test('the table', () => {
    const table = comparisonTable(summarize(measurements))
    expect(table).toContain('better  ')
    expect(table).toMatch(/base +2\.2000 ± 0\.2000 +20\.0 +1\.000 +2\.000 +3\.00 +- +0\.0/)
    expect(table).toMatch(/better +2\.1000 ± 0\.2052 +-0\.1000 ± 0\.0058/)
    expect(table).toMatch(/beyond noise \(95 %, Student's t\): better\nwithin noise.*: same/)
    expect(table).toMatch(/same \*.*\n\* looks at later characters too/s)
    expect(comparisonTable(summarize([measured('base', 1, 2)]))).toMatch(/one seed cannot tell a difference from noise/)
  })
  test('the figures: one line for each variant, over a band of its seeds; against arithmetic and time as well', () => {
    const curves = measurements.map((each) => ({
      ...each,
      curve: [0, 5].map((step) => ({ step, trainLoss: 0, validationLoss: each.validationLoss - step / 10 })),
    }))
    const { data } = comparisonCurves(curves)
    expect(data.map(({ name }) => name)).toEqual([
      'base (3 seeds), spread',
      'better (3 seeds), spread',
      'same (3 seeds), spread',
      'base (3 seeds)',
      'better (3 seeds)',
      'same (3 seeds)',
    ])
    expect(data[3]).toMatchObject({ x: [0, 5], y: [2.2, 1.7] })
    expectClose(comparisonCurves(curves, 'FLOPs').data[3]?.x as number[], [0, (5 * 3 * 3e6 * 100) / 1e12], 1e-9)
    expectClose(comparisonCurves(curves, 'seconds').data[3]?.x as number[], [0, 0.1], 1e-9)
  })
  test('the figure of final losses: a dot for each seed, a bar for each mean, the first variant as the line', () => {
    const { data, layout } = comparisonLosses(measurements)
    const names = ['base', 'better', 'same (looks ahead)']
    const [first, , , bars] = data
    expect(data.map(({ name }) => name)).toEqual(['seed 1', 'seed 2', 'seed 3', 'mean'])
    expect([first?.x, first?.y]).toEqual([[2, 1.9, 2.1], names])
    expect(bars?.y).toEqual(names)
    expectClose(bars?.x as number[], [2.2, 2.1, 2.2], 1e-12)
    expect(layout).toMatchObject({ yaxis: { categoryarray: names, autorange: 'reversed' } })
    expect((layout.shapes as { x0: number }[])[0]?.x0).toBeCloseTo(2.2, 12)
  })
  test('where it stands', () => {
    const standing = { done: 2, of: 21, variant: 'topk', seed: 4, step: 12, steps: 100, secondsLeft: 3723 }
    expect(describeComparison(standing)).toBe('training 3 of 21: topk, seed 4 | step 12/100 | 1:02:03 left')
    const view = comparisonView()
    view.onCurve(measured('base', 1, 2)) // outside a kernel nothing is shown, and nothing fails
    view.onProgress(standing)
    expect(Object.keys(view)).toEqual(['onCurve', 'onProgress'])
  })
})
