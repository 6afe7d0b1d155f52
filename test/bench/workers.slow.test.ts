/** The bench of several workers: real processes, a tiny model, and the bytes that its shapes say. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder, root } from '../runs/cluster/run'
import { testCommand } from '../test-command'

test('two workers: bytes as counted by hand, for experts and for data', () => {
  // Two layers; C 8; 2 sequences of 4 tokens, of which each worker has N = 4 tokens; 2 experts, both chosen.
  const size = { nEmbed: 8, nHead: 2, nLayer: 2, blockSize: 4, numExperts: 2, topK: 2, batchSize: 2 }
  const [C, layers, V, T] = [8, 2, 65, 4]
  const replicated = layers * (4 * C * C + C + 4 * C + 2 * (2 * C + 2)) + V * C + T * C + 2 * C + V * C + V
  const experts = layers * 2 * (8 * C * C + 5 * C)
  // Rows there and back, and their gradients: a buffer of P = 4 places for the other; how many are filled, int32; the losses and the stop.
  const travelling = layers * 4 * (4 * C) + layers * 1
  const reported = 2
  for (const [parallel, numbers] of [
    ['experts', replicated + travelling + reported],
    ['data', replicated + experts + reported],
  ]) {
    const file = join(folder, `${parallel}.json`)
    const request = JSON.stringify({ size, parallel, rounds: 1 })
    const program = `
      const { launch, requireNamespace } = require('./lib/dist/cli/launcher.js')
      const command = [process.execPath, 'test/dist/bench/team-worker.js', process.argv[1], process.argv[2]]
      const { signal } = new AbortController()
      launch({ workers: 2, isolated: requireNamespace(true), command, signal }).then(({ lost }) => process.exit(lost ? 1 : 0))`
    execFileSync(process.execPath, ['-e', program, request, file], { cwd: root })
    const { together, alone, bytesSent, busiest } = JSON.parse(readFileSync(file, 'utf8'))
    expect([together.length, alone.length]).toEqual([3, 3])
    expect(bytesSent).toBe(4 * Number(numbers))
    expect(busiest).toBe(parallel === 'experts' ? 0.5 : 1) // each token has both experts
  }
})

test.each([
  ['--checkpoint', 'data/runs/none'],
  ['--capacity-factors', '1,none'],
])('%s without --workers is refused', (...args) => {
  const { status, stderr } = testCommand('bench', ...args)
  expect([status, stderr]).toEqual([2, expect.stringMatching(/: got it without --workers, expected both/)])
})
