import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, exactLoss, loadCheckpoint, Module, observe, startRun, stateDictOf, type Tensor, tf } from 'makemoe'
import { inspect } from 'makemoe/dist/lab/inspect'
import { makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeInspected } from './inspected'

const folder = mkdtempSync(join(tmpdir(), 'inspect-'))
afterAll(() => rmSync(folder, { recursive: true }))
const runFolder = join(folder, 'run')

const { config, dataset, model, streams, tokenizer } = makeInspected()

/** A run that keeps the checkpoints of steps 3, 6 and 9. */
beforeAll(async () => {
  const run = startRun(runFolder, { model, tokenizer, dataset, config, streams, keep: 9 })
  await run.train({ checkpointEvery: 3 })
  await run.close()
})

describe('inspecting a run', () => {
  test('observes the validation split, compares the checkpoints, and leaves the model as it was', async () => {
    const before = stateDictOf(model)
    const found = await inspect(model, tokenizer, dataset, { streams, compile, folder: runFolder, source: 'a text', shown: 50 })
    expect(stateDictOf(model)).toEqual(before)
    const validation = tokenizer.decode(dataset.splits.val)
    expect(found.characters).toBe(validation.length - (validation.length % 16))
    expect(found.available).toBe(validation.length)
    expect(found.text).toBe(validation.slice(0, 50))
    expect(found.occurrences.reduce((sum, n) => sum + n, 0)).toBe(found.characters)
    expect(found.knockOut.loss).toBeCloseTo(exactLoss(makeLossSum(model, { training: false, streams }), dataset).nats, 5)
    const x = tf.tensor2d(dataset.splits.val.subarray(0, 32), [2, 16], 'int32')
    for (const { layer, choices } of observe(model, x, { training: false, streams }))
      expect(found.layers[layer]?.first.slice(0, 32)).toEqual(Array.from({ length: 32 }, (_, n) => choices.experts[n * config.topK]))
    expect(found.saturation.map(({ step }) => step)).toEqual([3, 6, 9])
    expect(found.saturation.at(-1)?.shares).toEqual([1, 1])
    const early = loadCheckpoint(join(runFolder, 'checkpoints', 'step-3')).model
    const split = tf.tensor2d(dataset.splits.val.subarray(0, found.characters), [found.characters / 16, 16], 'int32')
    const [then, now] = [early, model].map((each) => observe(each, split, { training: false, streams })[0]?.choices.experts ?? [])
    const same = Array.from(now ?? []).filter((expert, i) => {
      const token = i - (i % config.topK)
      return Array.from({ length: config.topK }, (_, k) => then?.[token + k]).includes(expert)
    })
    expect(found.saturation[0]?.shares[0]).toBeCloseTo(same.length / (now?.length ?? 0), 10)
  })

  test('a model whose layers report nothing is refused', async () => {
    class Dense extends Module {
      readonly config = { blockSize: 16, nLayer: 1, numExperts: 2, topK: 1 }
      forward(ids: Tensor): Tensor {
        return tf.zeros([...ids.shape, tokenizer.vocabSize])
      }
    }
    await expect(inspect(new Dense(), tokenizer, dataset, { streams, source: '' })).rejects.toThrow(/no layer reports its routing/)
  })
})
