import { expect, test } from 'vitest'
import { testCommand } from '../test-command'

test('notebooks --help', () => {
  const { status, stdout } = testCommand('notebooks', '--help')
  expect([status, stdout]).toEqual([0, expect.stringContaining('Usage: makemoe notebooks')])
})
test('a notebook that is not there is refused', () => {
  const { status, stderr } = testCommand('notebooks', 'makeMoE')
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^makemoe: notebooks: got makeMoE, expected some of makeMoE_from_Scratch/)])
})
