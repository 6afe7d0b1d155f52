import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeCurves } from 'makemoe/dist/cli/run-files'
import { beforeEach, describe, expect, test } from 'vitest'

describe('writeCurves', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'makemoe-run-files-'))
  })
  /** Without the library that draws. */
  const page = (): string => readFileSync(join(folder, 'loss.html'), 'utf8').replace(/<script>\/\*\*.*?<\/script>/s, '')
  const write = (...lines: object[]): void =>
    writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => JSON.stringify({ time: 1, ...line })).join('\n'))

  test('nothing is written before there are metrics', () => {
    write()
    writeCurves(folder, true)
    expect(existsSync(join(folder, 'loss.html'))).toBe(false)
  })
  test('both curves and every step’s loss are there; the browser reads the page again while it trains alone', () => {
    write({ step: 0, train_loss: 4.25, val_loss: 4.375 }, { step: 0, loss: 4.125 }, { step: 1, loss: 3.5 })
    writeCurves(folder, true)
    for (const text of ['train', 'validation', 'batches, running mean', '4.25', '4.375']) expect(page().includes(text), text).toBe(true)
    expect(page().length).toBeLessThan(50_000)
    expect(page().includes('content="30"')).toBe(true)
    writeCurves(folder, false)
    expect(page().includes('content="30"')).toBe(false)
  })
  test('at most some 500 points of a curve', () => {
    const points = (steps: number): number => {
      write(...Array.from({ length: steps }, (_, step) => ({ step, loss: 4 - step / steps })))
      writeCurves(folder, false)
      return page().length
    }
    expect(points(50_000)).toBeLessThan(1.5 * points(500))
  })
})
