import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// A process of its own: the memory of the test runner's comes and goes.
test('10,000 compiled steps: resident memory within 2 % of what it was after 500, tensors flat', { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', join(import.meta.dirname, 'many-steps.mjs')])
  const [early, late] = JSON.parse(stdout) as { rss: number; tensors: number }[]
  expect(late?.tensors).toBe(early?.tensors)
  expect((late?.rss ?? Number.NaN) / (early?.rss ?? Number.NaN)).toBeLessThan(1.02)
})
