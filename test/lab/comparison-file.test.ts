/** Comparisons that were written by the command, read again. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointError, readComparison } from 'makemoe'
import { describe, expect, test } from 'vitest'

describe('readComparison', () => {
  test('the committed one has its rows again from its measurements', () => {
    const { name, seeds, measurements, rows, config } = readComparison(join(__dirname, '../../data/compare/dense-tuned.json'))
    expect([name, seeds.length, measurements.length, config.steps]).toEqual(['dense', 3, 9, 1000])
    const losses = measurements.filter(({ variant }) => variant === rows[1]?.variant).map(({ validationLoss }) => validationLoss)
    expect(rows).toHaveLength(3)
    expect(rows[1]?.validationLoss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 3, 12)
    expect(rows[1]?.difference?.withinNoise).toBe(false)
    expect(rows[1]?.speedUp?.inSteps.place).toBe('measured')
  })
  test.each(['{}', 'null', '{"format":"another"}', 'no JSON'])('refuses %s', (text) => {
    const file = join(mkdtempSync(join(tmpdir(), 'makemoe-')), 'other.json')
    writeFileSync(file, text)
    expect(() => readComparison(file)).toThrow(CheckpointError)
    expect(() => readComparison(`${file}.missing`)).toThrow(CheckpointError)
  })
})
