import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { JsonLinesTracker } from 'makemoe/dist/runs/track/jsonl'
import { metricOf, metricsIn } from 'makemoe/dist/runs/track/metrics-file'
import { expect, test } from 'vitest'

const newFolder = () => mkdtempSync(join(tmpdir(), 'makemoe-metrics-'))
const row = (step: number) => JSON.stringify({ step, loss: step / 8, time: 1000 + step })

test('a file that is not there has no metrics', () => {
  expect([...metricsIn(newFolder())]).toEqual([])
})

test('whatever stands between whole lines, they are read, and a tracker that opens the file adds to them', () => {
  const junk = fc.oneof(
    fc.constantFrom('', '{"step": 3, "lo', 'null', '7', '[]', '"x"', '\0\0', '{"loss": 1}', '{"step": "1", "time": 2}'),
    fc.string().map((line) => line.replaceAll('\n', ' ')),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(junk, { maxLength: 3 }), fc.nat(50)), { maxLength: 8 }), fc.boolean(), (drawn, torn) => {
      const folder = newFolder()
      const file = join(folder, 'metrics.jsonl')
      writeFileSync(file, drawn.map(([lines, step]) => [...lines, row(step)].map((line) => `${line}\n`).join('')).join(''))
      const there = drawn.map(([, step]) => step)
      const steps = () => [...metricsIn(folder)].flatMap(({ step, loss }) => (loss === step / 8 ? [step] : []))
      expect(steps()).toEqual(there)
      if (torn) appendFileSync(file, '{"step": 99, "lo')
      const tracker = new JsonLinesTracker(file)
      tracker.log({ step: 100, loss: 12.5 })
      expect(steps()).toEqual([...there, 100])
      expect(readFileSync(file, 'utf8').endsWith('\n')).toBe(true)
      void tracker.close()
    }),
    { numRuns: 40, seed: 1 },
  )
})

test('a long line, and one that is still being written', () => {
  const folder = newFolder()
  const long = JSON.stringify({
    step: 1,
    time: 2,
    ...Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [`layer_0/load_${i}`, i])),
  })
  writeFileSync(join(folder, 'metrics.jsonl'), `${long}\n${row(2)}\n{"step": 3`)
  expect([...metricsIn(folder)].map((metric) => [metric.step, Object.keys(metric).length])).toEqual([
    [1, 40_002],
    [2, 3],
  ])
})

test('null is what JSON has for NaN', () => {
  expect(metricOf('{"step": 1, "val_loss": null, "time": 2, "note": "x"}')).toEqual({ step: 1, val_loss: Number.NaN, time: 2 })
})
