/** What a comparison found: rows, table, progress. */
import { comparisonTable, type Measurement, summarize } from 'makemoe'
import { describeComparison } from 'makemoe/dist/lab/summary'
import { describe, expect, test } from 'vitest'
import { measured, measurements } from './measured'

describe('what it says', () => {
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
    expect(table).toMatch(/base +2\.2000 ± 0\.2000 +3\.1739 +20\.0 +1\.000 +2\.000 +3\.00 +- +0\.0/)
    expect(table).toMatch(/better +2\.1000 ± 0\.2052 +3\.0297 +-0\.1000 ± 0\.0058/)
    expect(table).toMatch(/beyond noise \(95 %, Student's t\): better\nwithin noise.*: same/)
    expect(table).toMatch(/same \*.*\n\* looks at later characters too/s)
    expect(comparisonTable(summarize([measured('base', 1, 2)]))).toMatch(/one seed cannot tell a difference from noise/)
  })
  test('a variant with the losses of the first to the last bit is called identical, not within noise', () => {
    const same = (variant: string, more: Partial<Measurement> = {}) => [1, 2, 3].map((seed) => measured(variant, seed, 2 + seed / 10, more))
    const rows = summarize([
      ...same('base'),
      ...same('renamed'),
      ...same('otherwise', { curve: [] }),
      ...[1, 2, 3].map((seed) => measured('near', seed, 2 + seed / 10 + 1e-12 * (seed - 2))),
    ])
    expect(rows.map(({ identical }) => identical)).toEqual([false, true, false, false])
    const table = comparisonTable(rows)
    expect(table).toMatch(/renamed .* identical /)
    expect(table).toMatch(/within noise.*: otherwise; near\nidentical to base to the last bit \(.*\): renamed$/)
  })
  test('churn and what looking ahead gains are there where they were measured, and nowhere else', () => {
    const churning = { curve: [0, 5, 9].map((step, i) => ({ step, trainLoss: 2, validationLoss: 2, ...(i > 0 ? { churn: i / 4 } : {}) })) }
    const ahead = { looksAhead: true, lookAhead: { parallel: 1.5, oneByOne: 2.25 } }
    const rows = summarize([measured('base', 1, 2), measured('learned', 1, 1.9, churning), measured('choice', 1, 1.8, ahead)])
    expect(rows.map(({ churn }) => churn)).toEqual([undefined, 0.375, undefined])
    const table = comparisonTable(rows)
    expect(table).toMatch(/churn % .*\nbase .* - +0\.0\nlearned .* 37\.5 +0\.0\n/)
    expect(table).toContain('choice, over some windows: 1.5000 with each whole, 2.2500 one character after the other')
    expect(comparisonTable(summarize(measurements))).not.toMatch(/churn|over some windows/)
  })
  test('where it stands', () => {
    const standing = { done: 2, total: 21, variant: 'topk', seed: 4, step: 12, steps: 100, secondsLeft: 3723 }
    expect(describeComparison(standing)).toBe('training 3 of 21: topk, seed 4 | step 12/100 | 1:02:03 left')
  })
})
