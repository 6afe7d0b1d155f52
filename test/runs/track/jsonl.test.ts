import { appendFileSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { JsonLinesTracker } from 'makemoe/dist/runs/track/jsonl'
import { noTracker } from 'makemoe/dist/runs/track/tracker'
import { expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-jsonl-'))

test('trackers: JSON lines, and none', async () => {
  const tracker = new JsonLinesTracker(join(folder, 'metrics.jsonl'))
  tracker.log({ step: 1, loss: 2.5 })
  tracker.log({ step: 2, loss: 2.25 })
  await tracker.close()
  const file = join(folder, 'metrics.jsonl')
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  expect(lines()).toEqual([
    { step: 1, loss: 2.5, time: expect.any(Number) },
    { step: 2, loss: 2.25, time: expect.any(Number) },
  ])
  // A killed process left half a line; a resumed one computes step 2 again.
  appendFileSync(file, '{"step":3,"lo')
  const again = new JsonLinesTracker(file)
  for (const step of [2, 3]) again.log({ step, loss: 9 })
  await again.close()
  expect(lines().map(({ step, loss }) => [step, loss])).toEqual([
    [1, 2.5],
    [2, 2.25],
    [3, 9],
  ])
  expect(noTracker.log({ step: 1 })).toBeUndefined()
})
