/** What `makemoe compare` leaves, and that it is read again as it was. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Measurement, presets, readComparison, type Study, summarize } from 'makemoe'
import { tablesOf, writeComparison } from 'makemoe/dist/cli/comparison-report'
import { withSpeedUps } from 'makemoe/dist/lab/speed-up'
import { afterAll, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-report-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const measured = (variant: string, seed: number, steps: number, validationLoss: number): Measurement => ({
  ...{
    variant,
    seed,
    steps,
    validationLoss,
    millisecondsPerStep: 10,
    tokensPerStep: 8,
    learningRate: 0.002,
    dropped: 0,
    looksAhead: false,
  },
  ...{ curve: [{ step: 0, trainLoss: 4, validationLoss: 4 }], parameters: 10, activeParameters: 5, flopsPerToken: 7 },
})
const seeds = [1, 2]
const measurements = seeds.flatMap((seed) => [measured('base', seed, 100, 2), measured('other', seed, 100, 1.9)])
const reference = seeds.flatMap((seed) => [measured('base', seed, 50, 2.2), measured('base', seed, 200, 1.8)])
const trials = [
  { variant: 'base', learningRate: 0.001, seed: 1, validationLoss: 2.3 },
  { variant: 'base', learningRate: 0.002, seed: 1, validationLoss: 2 },
  { variant: 'other', learningRate: 0.002, seed: 1, validationLoss: 1.9 },
  { variant: 'other', learningRate: 0.004, seed: 1, validationLoss: undefined },
]
const variants = { base: {}, other: { parts: { schedule: () => 0.125 } } }
const found: Study = { variants, measurements, reference, trials, rows: withSpeedUps(summarize(measurements), measurements, reference) }
const shared = { name: 'mine', config: { ...presets.default, steps: 100 }, seeds }

test('a comparison with trials and speed-ups is read as it was written', () => {
  const [json, figures] = writeComparison(join(folder, 'mine-tuned'), found, shared, 'the note')
  const read = readComparison(json)
  expect(read.rows).toEqual(found.rows)
  expect(read.rows[1]?.speedUp?.inSteps.mean).toBeCloseTo(Math.SQRT2, 10)
  expect(read.trials).toEqual(trials)
  expect([read.measurements, read.name, read.seeds]).toEqual([measurements, 'mine', seeds])
  expect(JSON.parse(readFileSync(json, 'utf8')).variants.other.parts.schedule).toContain('0.125')
  expect(readFileSync(figures, 'utf8')).toContain('the note')
})

test('without them the file has no such field, and they are read as empty', () => {
  const plain = { ...found, trials: [], reference: [], rows: summarize(measurements) }
  const [json] = writeComparison(join(folder, 'plain'), plain, shared, '')
  expect(Object.keys(JSON.parse(readFileSync(json, 'utf8')))).toEqual([
    'format',
    'name',
    'config',
    'seeds',
    'variants',
    'rows',
    'measurements',
  ])
  expect(readComparison(json)).toMatchObject({ trials: [], reference: [], rows: plain.rows })
})

test('the tables: trials, losses, and of a recipe what its steps are worth', () => {
  const tables = tablesOf(found, false)
  expect(tables).toMatch(/validation loss at the rate[\s\S]*diverged[\s\S]*speed-up in steps/)
  expect(tables).not.toContain('left out of all')
  expect(tablesOf({ ...found, trials: [] }, true)).toMatch(/^variant [\s\S]*left out of all/)
})

test('of several lengths, one curve a variant and seed runs over the lengths', () => {
  const several = { ...found, measurements: [...measurements, ...seeds.map((seed) => measured('other', seed, 200, 1.7)), ...reference] }
  const [, figures] = writeComparison(join(folder, 'lengths'), several, shared, '')
  const page = readFileSync(figures, 'utf8')
  expect(page).toContain('other, 200 steps')
  expect(page).toContain('"x":[50,100,200]')
})
