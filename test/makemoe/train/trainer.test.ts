import { compile, exactLoss, generate, type Metric, Trainer, TrainingError, tf, type Variable } from 'makemoe'
import { makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { describe, expect, test } from 'vitest'
import { cases } from '../../support'
import { setUp } from './small-model'

const manySteps = cases(20, 100)

describe('Trainer', () => {
  test('the same seed gives the same losses to the bit, another seed does not', async () => {
    const run = async (seed: number) => {
      const { model, dataset, config, streams } = setUp({ steps: 5, nLayer: cases(1, 2) }, seed)
      const metrics: Metric[] = []
      const onMetric = ({ tokens_per_second: _speed, ...metric }: Metric) => metrics.push(metric)
      await new Trainer(model, dataset, config, streams, { onMetric }).run()
      return metrics
    }
    const first = await run(1)
    expect(first.filter((metric) => 'val_loss' in metric).map(({ step }) => step)).toEqual([0, 4])
    expect(first.filter((metric) => 'loss' in metric)).toHaveLength(5)
    expect(await run(1)).toEqual(first)
    expect(await run(2)).not.toEqual(first)
  })
  test('stops after the step in which the signal fires', async () => {
    const { model, dataset, config, streams } = setUp({ steps: 20 })
    const stopping = new AbortController()
    const steps: number[] = []
    const trainer = new Trainer(model, dataset, config, streams, {
      signal: stopping.signal,
      onProgress: ({ step, tokensPerSecond, secondsLeft }) => {
        steps.push(step)
        expect(tokensPerSecond).toBeGreaterThan(0)
        expect(secondsLeft).toBeGreaterThanOrEqual(0)
        if (step === 7) stopping.abort()
      },
    })
    expect(await trainer.run()).toBe(false)
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7])
  })
  test(`tensor count is flat over ${manySteps} steps of training, evaluation and generation`, async () => {
    const { model, dataset, config, streams } = setUp({ nLayer: 1, evalIters: 1 })
    const trainer = new Trainer(model, dataset, config, streams)
    const lossSum = makeLossSum(model, { training: false, streams })
    const all = async () => {
      trainer.trainOnce()
      await trainer.evaluate()
      exactLoss(lossSum, dataset)
      for (const _ of generate(model, [[1]], { tokens: 1, streams })) void _
    }
    await all()
    const { numTensors, numDataBuffers } = tf.memory()
    for (let i = 0; i < manySteps; i++) await all()
    expect(tf.memory().numTensors).toBe(numTensors)
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers)
  })
  test('a constant learning rate that is changed by hand counts, and is what is reported', () => {
    const { model, dataset, config, streams } = setUp({ schedule: 'constant' })
    const trainer = new Trainer(model, dataset, config, streams)
    expect(trainer.trainOnce(true).learning_rate).toBe(config.learningRate)
    trainer.optimizer.learningRate.assign(tf.scalar(0))
    const weights = () => model.parameters().map((parameter) => [...parameter.dataSync()])
    const before = weights()
    expect(trainer.trainOnce(true).learning_rate).toBe(0)
    expect(weights()).toEqual(before)
    trainer.dispose()
  })
  test('an evaluation that is stopped leaves the streams as they were', async () => {
    const { model, dataset, config, streams } = setUp({ steps: 12, evalInterval: 4, evalIters: 2 })
    const trainer = new Trainer(model, dataset, config, streams, { signal: AbortSignal.abort() })
    const before = trainer.state().streams
    expect(await trainer.evaluate()).toBeUndefined()
    expect(trainer.state().streams).toEqual(before)
  })
  test('a loss that is not finite ends it, with step and layer', async () => {
    const { model, dataset, config, streams } = setUp({ steps: 12, evalInterval: 4, evalIters: 2 })
    const bad = new Map(model.namedParameters()).get('blocks.1.attention.proj.bias') as Variable
    bad.assign(tf.fill(bad.shape, Number.NaN))
    const running = new Trainer(model, dataset, config, streams, { compile }).run()
    await expect(running).rejects.toThrow(TrainingError)
    await expect(running).rejects.toThrow(/loss of step 0 is NaN; the first report that is not finite is routing\/layer_1\/entropy/)
  })
})
