import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRun, stateDictOf } from 'makemoe'
import { inspect } from 'makemoe/dist/lab/inspect'
import { saturationOverRun } from 'makemoe/dist/lab/saturation'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeInspected } from './inspected'

const folder = mkdtempSync(join(tmpdir(), 'saturation-'))
afterAll(() => rmSync(folder, { recursive: true }))
const runFolder = join(folder, 'run')

const { config, dataset, model, streams, tokenizer } = makeInspected()

/** A run that keeps the checkpoints of steps 3, 6 and 9. */
beforeAll(async () => {
  const run = startRun(runFolder, { model, tokenizer, dataset, config, streams, keep: 9 })
  await run.train({ checkpointEvery: 3 })
  await run.close()
})

test('each checkpoint is compared with the final choices, each layer by itself; the model keeps its weights', async () => {
  const before = stateDictOf(model)
  const choicesOf = (...experts: number[][]) => experts.map((each) => ({ experts: each, topK: 2, numExperts: 4 }))
  const answers = [choicesOf([0, 1], [2, 3]), choicesOf([2, 3], [2, 3]), choicesOf([1, 2], [3, 0]), choicesOf([0, 1], [3, 2])] // the final ones first
  const points = await saturationOverRun(model, runFolder, async () => answers.shift() ?? [])
  expect(points).toEqual([
    { step: 3, shares: [0, 1] },
    { step: 6, shares: [0.5, 0.5] },
    { step: 9, shares: [1, 1] },
  ])
  expect(stateDictOf(model)).toEqual(before)
  expect(await saturationOverRun(model, folder, () => expect.unreachable())).toEqual([]) // a folder without checkpoints
})

test('a damaged checkpoint of the run is named, and the model keeps its weights', async () => {
  const before = stateDictOf(model)
  writeFileSync(join(runFolder, 'checkpoints', 'step-6', 'model.safetensors'), 'damaged')
  await expect(inspect(model, tokenizer, dataset, { streams, folder: runFolder, source: '', characters: 32 })).rejects.toThrow(
    /step-6.*not a good safetensors file/,
  )
  expect(stateDictOf(model)).toEqual(before)
  expect(readdirSync(runFolder)).not.toContain('inspect.html')
})
