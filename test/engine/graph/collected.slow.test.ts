import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('variables, compiled functions and trainings that nothing holds are freed; a held variable stays', { timeout: 120_000 }, async () => {
  const program = join(import.meta.dirname, 'collected.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', program])
  const { held, ...counts } = JSON.parse(stdout) as Record<string, unknown[]>
  expect(held).toEqual([[0, 0, 0], true, ['kept']])
  expect(Object.keys(counts)).toHaveLength(7)
  for (const [name, [first, last]] of Object.entries(counts)) expect(last, name).toBe(first)
})
