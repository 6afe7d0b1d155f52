import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

// A process of its own: the memory of the test runner's comes and goes. EAGER_STEPS=20000 takes ten minutes.
test.each([
  ['compiled', 10_000],
  ['eager', Number(process.env.EAGER_STEPS ?? 2000)],
] as const)(
  '%s, %i steps: resident memory in the second half within 2 %% of that in the first, tensors flat',
  { timeout: 1_200_000 },
  async (mode, steps) => {
    const program = [join(import.meta.dirname, 'many-steps.mjs'), mode, String(steps)]
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--single-threaded-gc', ...program])
    const [early, late] = JSON.parse(stdout) as { rss: number; tensors: number }[]
    expect(late?.tensors).toBe(early?.tensors)
    expect((late?.rss ?? Number.NaN) / (early?.rss ?? Number.NaN)).toBeLessThan(1.02)
  },
)
