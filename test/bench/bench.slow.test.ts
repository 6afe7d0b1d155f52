/** The timed program and its command as processes. */
import { expect, test } from 'vitest'
import { testCommand } from '../test-command'
import { type Answer, startRunner, whats } from './runner'
import { sizes } from './sizes'

test('our program answers with times, its memory, and what it traced', async () => {
  const size = { ...sizes.default, nEmbed: 16, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 2, batchSize: 2 }
  const runner = startRunner('ours', size)
  const traces: Answer['traces'][] = []
  for (const what of whats) {
    const answer = await runner.ask(what, 2)
    const { times, peakMB } = answer
    traces.push(answer.traces)
    expect(times).toHaveLength(2)
    for (const ms of times) expect(ms).toBeGreaterThan(0)
    expect(peakMB).toBeGreaterThan(50)
  }
  runner.close()
  expect(Object.keys(traces.at(-1) ?? {})).toEqual([...whats])
  for (const { ms, operations } of Object.values(traces.at(-1) ?? {})) {
    expect(ms).toBeGreaterThan(0)
    expect(operations).toBeGreaterThan(20)
  }
})

test('bench --help', () => {
  const { status, stdout } = testCommand('bench', '--help')
  expect([status, stdout]).toEqual([0, expect.stringContaining('Usage: makemoe bench')])
})
