/** Checkpoints of version 0.1.0: fixtures/run-0.1.0 was written by it (6 steps of a model with 2 experts), and it trained on to these losses. */
import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dataset, loadCheckpoint, resumeRun } from 'makemoe'
import { checkpointIn } from 'makemoe/dist/runs/run-folder'
import { expect, test } from 'vitest'

const saved = join(__dirname, '../fixtures/run-0.1.0')
const text = 'to be or not to be, '.repeat(12)
const losses = [
  [6, 2.098031759262085],
  [7, 2.0844738483428955],
  [8, 1.9616758823394775],
] as const
const evaluations = [
  [6, 1.9405806064605713],
  [8, 1.9847218990325928],
] as const

test('a run of version 0.1.0 loads, and resumes as it would have there', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'makemoe-earlier-')), 'run')
  cpSync(saved, folder, { recursive: true })
  const { tokenizer, config } = loadCheckpoint(checkpointIn(folder))
  expect(config).toMatchObject({ nEmbed: 4, balance: 'switch:0.01,bias:0.001', optimizer: 'adamw', gatesAfterDrop: 'kept', steps: 6 })
  const run = resumeRun(folder, {
    dataset: new Dataset(Int32Array.from(tokenizer.encode(text)), config.blockSize),
    steps: 9,
    tracker: 'jsonl',
  })
  const trained: [number, number][] = []
  const evaluated: [number, number][] = []
  await run.train({
    onMetric: ({ step, loss, val_loss }) => {
      if (loss !== undefined) trained.push([step, loss])
      if (val_loss !== undefined) evaluated.push([step, val_loss])
    },
  })
  await run.close()
  const close = (numbers: readonly (readonly [number, number])[]) => numbers.map(([step, loss]) => [step, expect.closeTo(loss, 5)])
  expect(trained).toEqual(close(losses))
  expect(evaluated).toEqual(close(evaluations))
  expect(loadCheckpoint(folder).config.steps).toBe(9)
})
