import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CheckpointError, type Config, compile, createStreams, presets, type SparseMoELanguageModel, Trainer } from 'makemoe'
import { checkpointIn, loadResumable, newestCheckpoint, RunFolder } from 'makemoe/dist/runs/run-folder'
import { describe, expect, test } from 'vitest'
import { setUp, tokenizer } from '../makemoe/train/small-model'
import { cases } from '../support'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-folder-'))

describe('resuming', () => {
  const fresh = (change: Partial<Config> = {}) => setUp({ steps: 12, evalInterval: 4, evalIters: 2, nLayer: cases(1, 2), ...change })
  const weights = (model: SparseMoELanguageModel) => model.parameters().map((parameter) => Array.from(parameter.dataSync()))
  test.each(['default', 'makemoe'] as const)('%s: from a saved state to the same weights, bit for bit, compiled', async (name) => {
    const change = { attentionScale: presets[name].attentionScale, noiseMode: presets[name].noiseMode }
    const whole = fresh(change)
    await new Trainer(whole.model, whole.dataset, whole.config, whole.streams, { compile }).run()

    const first = fresh(change)
    const stopping = new AbortController()
    const onStep = (step: number) => step === 7 && stopping.abort()
    const trainer = new Trainer(first.model, first.dataset, first.config, first.streams, { compile, onStep, signal: stopping.signal })
    expect(await trainer.run()).toBe(false)
    const run = RunFolder.create(join(folder, `run-${name}`))
    const path = run.saveCheckpoint({ model: first.model, tokenizer, config: first.config }, trainer.state(), 'sha')
    run.close()
    expect(newestCheckpoint(run.path)).toBe(path)

    const saved = loadResumable(run.path)
    expect([saved.state.step, saved.textSha256]).toEqual([7, 'sha'])
    const { dataset } = fresh(change)
    const second = new Trainer(saved.model, dataset, saved.config, createStreams(99), { compile })
    // Streams come back by their counters; their keys come from the seed.
    const same = new Trainer(saved.model, dataset, saved.config, createStreams(1), { compile })
    expect(() => second.restore({ ...saved.state, optimizer: new Map() })).toThrow(CheckpointError)
    same.restore(saved.state)
    expect(await same.run()).toBe(true)
    expect(weights(saved.model)).toEqual(weights(whole.model))
  })
  test('a checkpoint of an earlier version: a newer stream starts at 0, one that does not exist is refused', () => {
    const { model, dataset, config, streams } = fresh()
    const trainer = new Trainer(model, dataset, config, streams)
    trainer.trainOnce()
    const run = RunFolder.create(join(folder, 'older'))
    const path = run.saveCheckpoint({ model, tokenizer, config }, trainer.state(), 'sha')
    run.close()
    const file = join(path, 'training.json')
    const saved = readFileSync(file, 'utf8')
    writeFileSync(file, saved.replace(/"dropout": \d+,/, ''))
    trainer.restore(loadResumable(run.path).state)
    expect(trainer.state().streams).toMatchObject({ dropout: 0, data: 1 })
    writeFileSync(file, saved.replace(/"dropout": (\d+)/, '"jitter": $1'))
    expect(() => trainer.restore(loadResumable(run.path).state)).toThrow(/random stream jitter, expected data, evaluation/)
  })
  test('the newest checkpoints and the best stay', () => {
    const { model, dataset, config, streams } = fresh()
    const run = RunFolder.create(join(folder, 'kept'))
    const state = new Trainer(model, dataset, config, streams).state()
    const losses = [3, 1, 2, 4, 5]
    for (const [i, valLoss] of losses.entries())
      run.saveCheckpoint({ model, tokenizer, config }, { ...state, step: i + 1, valLoss }, 'sha', 2)
    expect(readdirSync(join(run.path, 'checkpoints')).sort()).toEqual(['step-2', 'step-4', 'step-5'])
    expect(checkpointIn(run.path)).toBe(join(run.path, 'checkpoints', 'step-5'))
    run.close()
  })
})
