import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cases } from '../../support'

// A process of its own: what this is about would end it.
const sequences = cases(200, 10_000)

test(`${sequences} random sequences of valid and invalid calls end in results and typed errors, never in a signal`, async () => {
  const program = join(import.meta.dirname, 'random-calls.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(sequences), String(Date.now() % 2 ** 31)])
  const outcomes = JSON.parse(stdout) as Record<'worked' | 'TensorError' | 'TensorflowError' | 'TypeError' | 'left', number>
  expect(outcomes.left).toBe(0)
  for (const outcome of ['worked', 'TensorError', 'TensorflowError'] as const) expect(outcomes[outcome]).toBeGreaterThan(sequences)
})
