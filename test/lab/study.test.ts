/** Tuning, lengths and the reference's other lengths: what is trained, and that nothing is trained twice. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CharTokenizer,
  ConfigError,
  compare,
  Dataset,
  presets,
  type Trial,
  tune,
  tuningTable,
  type Variants,
  validateConfig,
} from 'makemoe'
import { endCurves, namedByLength, referenceLengths, study } from 'makemoe/dist/lab/study'
import { afterAll, expect, test } from 'vitest'

const text = 'the quick brown fox jumps over the lazy dog. '.repeat(20)
const tokenizer = CharTokenizer.fromText(text)
const tiny = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, batchSize: 2, numExperts: 4, steps: 8, evalInterval: 4, evalIters: 1 } as const
const config = validateConfig({ ...presets.corrected, ...tiny })
const folder = mkdtempSync(join(tmpdir(), 'makemoe-study-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const options = {
  ...{ config, dataset: new Dataset(tokenizer.encode(text), config.blockSize), vocabSize: tokenizer.vocabSize, seeds: [5, 6] },
  ...{ compile: <F>(fn: F) => fn, timing: { rounds: 1, steps: 1 } },
}
const variants: Variants = { base: {}, slow: { learningRate: 1e-4 } }

test('each length has its own training and schedule, evaluated as often; its differences are from the same length', async () => {
  const found = await study({ base: {}, topk: { router: 'topk' } }, { ...options, lengths: [4, 8], seeds: [5] })
  const measurements = found?.measurements ?? []
  expect(measurements.map(({ variant, steps }) => `${variant} ${steps}`)).toEqual(['base 4', 'topk 4', 'base 8', 'topk 8'])
  expect(measurements.map(({ curve }) => curve.map(({ step }) => step))).toEqual([
    [0, 2, 3],
    [0, 2, 3],
    [0, 4, 7],
    [0, 4, 7],
  ])
  const [alone] = await compare({ base: {} }, { ...options, config: { ...config, steps: 4, evalInterval: 2 }, seeds: [5] })
  expect(measurements[0]?.validationLoss).toBe(alone?.validationLoss)
  const rows = found?.rows ?? []
  expect(rows.map(({ variant }) => variant)).toEqual(['base, 4 steps', 'topk, 4 steps', 'base, 8 steps', 'topk, 8 steps'])
  expect(rows[2]?.difference).toBeUndefined()
  expect(rows[3]?.difference?.mean).toBeCloseTo((measurements[3]?.validationLoss ?? 0) - (measurements[2]?.validationLoss ?? 0), 10)
  const [base] = endCurves(measurements)
  expect(base).toMatchObject({ variant: 'base', seed: 5 })
  expect(base?.curve).toEqual([0, 2].map((i) => ({ step: measurements[i]?.steps, validationLoss: measurements[i]?.validationLoss })))
  expect(namedByLength(measurements).map(({ variant }) => variant)).toEqual(rows.map(({ variant }) => variant))
  expect(namedByLength(measurements.slice(0, 2)).map(({ variant }) => variant)).toEqual(['base', 'topk'])
})

test('tuned: each variant at its own multiples with the first seed, compared at its best, nothing trained twice', async () => {
  const seen: string[] = []
  const onTrial = ({ variant, learningRate }: { variant: string; learningRate: number }): void =>
    void seen.push(`${variant} ${learningRate}`)
  const found = await study(variants, { ...options, folder, multiples: [1, 8], ...{ onTrial } })
  expect(found?.trials.map(({ variant, learningRate, seed }) => `${variant} ${learningRate} ${seed}`)).toEqual([
    ...['base 0.001 5', 'base 0.008 5', 'slow 0.0001 5', 'slow 0.0008 5'],
  ])
  for (const [name, { learningRate }] of Object.entries(found?.variants ?? {})) {
    const own = found?.trials.filter(({ variant }) => variant === name) ?? []
    const lowest = Math.min(...own.map(({ validationLoss = Number.NaN }) => validationLoss))
    expect(own.find((trial) => trial.learningRate === learningRate)?.validationLoss).toBe(lowest)
    expect(found?.measurements.find(({ variant, seed }) => variant === name && seed === 5)).toMatchObject({
      learningRate,
      validationLoss: lowest,
    })
  }
  const trainings = () => readdirSync(join(folder, 'measurements')).filter((name) => !name.startsWith('times'))
  expect(trainings()).toHaveLength(6) // four trials, and the second seed of two
  expect(seen).toHaveLength(4)
})

test('speed-ups train the reference alone, at a quarter, half and twice the steps, and find what is kept', async () => {
  expect(referenceLengths(1000)).toEqual([250, 500, 2000])
  expect(referenceLengths(2)).toEqual([1, 4])
  const before = readdirSync(join(folder, 'measurements')).length
  const found = await study(
    { best: { learningRate: 0.008 }, slow: { learningRate: 0.0001 } },
    { ...options, seeds: [5], folder, speedUp: true },
  )
  expect(found?.reference.map(({ variant, steps }) => `${variant} ${steps}`)).toEqual(['best 2', 'best 4', 'best 16'])
  expect(readdirSync(join(folder, 'measurements')).length - before).toBe(3 + 1) // and the step times of these two
  expect(found?.rows[0]?.speedUp?.inSteps.mean).toBeCloseTo(1, 10)
  expect(found?.rows[1]?.speedUp?.inSteps.mean).toBeLessThan(1)
  const training: unknown[] = []
  await study(
    { best: { learningRate: 0.008 } },
    { ...options, seeds: [5], folder, speedUp: true, onProgress: (each) => training.push(each) },
  )
  expect(training).toEqual([])
  await expect(study(variants, { ...options, speedUp: true, lengths: [4, 8] })).rejects.toThrow(/speedUp: got 2 lengths, expected one/)
})

test('wrong variants, rates and multiples are refused before anything is trained', async () => {
  const never = { ...options, onProgress: () => expect.unreachable() }
  await expect(tune({ base: {}, odd: { router: 'hsh' as 'hash' } }, never)).rejects.toThrow(/variant odd: router: got hsh/)
  for (const multiples of [[], [0], [1, Number.NaN]]) await expect(tune(variants, { ...never, multiples })).rejects.toThrow(ConfigError)
  await expect(tune({ base: { learningRate: 90 } }, { ...never, multiples: [1, 2] })).rejects.toThrow(/learningRate: got 180/)
})

test('a rate at which training diverges loses; if all do, it is said', async () => {
  const wild: Variants = { wild: { optimizer: 'lion', learningRate: 100, initialization: 'kaiming' } }
  const schedule = () => 1e30
  const diverging: Variants = { diverging: { parts: { schedule } } }
  await expect(tune(diverging, { ...options, multiples: [1, 2] })).rejects.toThrow(
    /variant diverging: training diverged at every learning rate/,
  )
  const found = await tune(wild, { ...options, multiples: [1e-5, 1] })
  expect(found?.variants.wild?.learningRate).toBe(1e-3)
})

test('a signal stops it between trainings', async () => {
  const stopping = new AbortController()
  expect(
    await study(variants, { ...options, multiples: [1, 2], signal: stopping.signal, onTrained: () => stopping.abort() }),
  ).toBeUndefined()
})

test('the table of trials, by hand: the lowest has a star, at the end of the range two', () => {
  const trial = (variant: string, learningRate: number, validationLoss?: number): Trial => ({
    variant,
    learningRate,
    seed: 1,
    validationLoss,
  })
  const table = tuningTable([
    trial('a', 0.001, 2),
    trial('a', 0.002, 1.9),
    trial('a', 0.004),
    trial('b', 0.0005, 2.1),
    trial('b', 0.001, 2.2),
  ])
  expect(table).toMatch(/rate +0\.0005 +0\.001 +0\.002 +0\.004/)
  expect(table).toMatch(/\na +2\.0000 {4}1\.9000\* +diverged/)
  expect(table).toMatch(/\nb +2\.1000\*\* +2\.2000/)
})
