/** Weights of no use are never saved, and never loaded without a word. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buffer,
  CharTokenizer,
  CheckpointError,
  type Config,
  ConfigError,
  createStreams,
  Dataset,
  generate,
  loadCheckpoint,
  type NamedParameter,
  Optimizer,
  presets,
  resumeRun,
  SparseMoELanguageModel,
  saveCheckpoint,
  startRun,
  stateDictOf,
  TrainingError,
  tf,
  type Variable,
  validateConfig,
} from 'makemoe'
import { sha256Of } from 'makemoe/dist/runs/checkpoint'
import { newestCheckpoint } from 'makemoe/dist/runs/run-folder'
import { encodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-diverged-'))
const text = 'the quick brown fox jumps over the lazy dog. '.repeat(40)
const tokenizer = CharTokenizer.fromText(text)
const { vocabSize } = tokenizer
const dataset = new Dataset(tokenizer.encode(text), 8)
const sizes = { nEmbed: 16, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 4, batchSize: 4, evalInterval: 100, evalIters: 1 }
const config = validateConfig({ ...presets.corrected, ...sizes, steps: 3, schedule: 'constant' })
const make = (changes: Partial<Config> = {}) => {
  const streams = createStreams(config.seed)
  const changed = { ...config, ...changes }
  return { streams, config: changed, model: new SparseMoELanguageModel({ ...changed, vocabSize }, streams.init) }
}

describe('a training that diverges', () => {
  test('in its last update, with finite weights: one error with step, weight and what to do, and nothing saved', async () => {
    const path = join(folder, 'exploded')
    const run = startRun(path, { tokenizer, dataset, ...make({ learningRate: 100, weightDecay: 100 }) })
    const training = run.train()
    await expect(training).rejects.toThrow(TrainingError)
    await expect(training).rejects.toThrow(
      /^after 3 steps the validation loss is (NaN|\w*Infinity|-?[\d.e+]+); the largest weight is \d.*, in .*\.weight; the last good checkpoint is none yet \(a lower learning rate may help, now 100\)$/,
    )
    expect(readdirSync(path).filter((name) => /config|safetensors|checkpoints/.test(name))).toEqual([])
  })
  test('after a good checkpoint: that stays the last good one, and resuming from it works', async () => {
    const path = join(folder, 'later')
    const { model, ...rest } = make({ steps: 6 })
    const run = startRun(path, { tokenizer, dataset, model, ...rest })
    const spoil = (step: number): void => {
      if (step === 4) model.namedParameters()[3]?.[1].assign(tf.fill(model.namedParameters()[3]?.[1].shape ?? [], Number.NaN))
    }
    await expect(run.train({ checkpointEvery: 2, onProgress: ({ step }) => spoil(step) })).rejects.toThrow(
      /a weight is not finite: .* has NaN at index 0; the last good checkpoint is .*step-2/,
    )
    await run.close('FAILED')
    expect(newestCheckpoint(path)).toMatch(/step-2$/)
    const resumed = resumeRun(path, { dataset })
    expect(await resumed.train()).toBe(true)
    await resumed.close()
  })
  test('the check draws nothing: losses are those of a run that saves once', async () => {
    const losses = async (checkpointEvery: number): Promise<unknown[]> => {
      const found: unknown[] = []
      const run = startRun(join(folder, `every-${checkpointEvery}`), { tokenizer, dataset, ...make({ steps: 6, noiseMode: 'always' }) })
      await run.train({ checkpointEvery, onMetric: ({ loss }) => void found.push(loss) })
      await run.close()
      return [...found, ...stateDictOf(run.trainer.model).values()]
    }
    expect(await losses(1)).toEqual(await losses(100))
  })
})

describe('what is not finite before the first step', () => {
  test('in the model: refused by name, and nothing is written', () => {
    const { model, ...rest } = make()
    const [, variable] = model.namedParameters()[5] ?? []
    variable?.assign(tf.fill(variable.shape, Number.NEGATIVE_INFINITY))
    const path = join(folder, 'infinite-model')
    expect(() => startRun(path, { tokenizer, dataset, model, ...rest })).toThrow(ConfigError)
    expect(() => startRun(path, { tokenizer, dataset, model, ...rest })).toThrow(/^model: .* has -Infinity at index 0, expected finite/)
    expect(existsSync(path)).toBe(false)
  })
  test("in the optimizer's state: the same; once it becomes so, it is not saved", async () => {
    class Best extends Optimizer {
      readonly best: Variable
      constructor(first: number) {
        super(1e-3)
        this.best = buffer(tf.scalar(first))
      }
      apply(): void {
        this.best.assign(tf.mul(this.best, 1e30))
      }
      state(): readonly NamedParameter[] {
        return [['best', this.best]]
      }
    }
    const path = join(folder, 'infinite-optimizer')
    const begin = (first: number) => startRun(path, { tokenizer, dataset, ...make(), optimizer: new Best(first) })
    expect(() => begin(Number.POSITIVE_INFINITY)).toThrow(ConfigError)
    expect(() => begin(Number.POSITIVE_INFINITY)).toThrow(/^optimizer: best has Infinity at index 0, expected a state of finite numbers/)
    expect(existsSync(path)).toBe(false)
    const run = begin(1)
    await expect(run.train({ steps: 2, checkpointEvery: 1 })).rejects.toThrow(
      /^after 2 steps the optimizer's state is not finite: best has Infinity/,
    )
    await run.close('FAILED')
    expect(newestCheckpoint(path)).toMatch(/step-1$/)
  })
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  '%f is not saved; where it was saved before, it is not loaded',
  (value) => {
    const { model } = make()
    const good = join(folder, `good${value}`)
    saveCheckpoint(good, { model, tokenizer, config })
    const state = stateDictOf(model)
    const [, tensor] = [...state][5] ?? []
    tensor?.values.fill(value, 2, 3)
    const bytes = encodeSafetensors(state, { format: 'pt' })
    writeFileSync(join(good, 'model.safetensors'), bytes)
    const description = JSON.parse(readFileSync(join(good, 'config.json'), 'utf8'))
    writeFileSync(join(good, 'config.json'), JSON.stringify({ ...description, sha256: sha256Of(bytes) }))
    expect(() => loadCheckpoint(good)).toThrow(CheckpointError)
    expect(() => loadCheckpoint(good)).toThrow(
      /model\.safetensors is of no use: .* has (NaN|-?Infinity) at index 2; the training had diverged/,
    )
    const [, variable] = model.namedParameters()[0] ?? []
    variable?.assign(tf.fill(variable.shape, value))
    expect(() => saveCheckpoint(join(folder, 'never'), { model, tokenizer, config })).toThrow(/weights are not finite: .* at index 0/)
    expect(() => [...generate(model, [[1]], { tokens: 1, streams: createStreams(1) })]).toThrow(
      /logits that are not finite: its training has diverged/,
    )
  },
)
