import { type Config, ConfigError, compile, exactLoss, generate, type Metric, Trainer, TrainingError, tf, type Variable } from 'makemoe'
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
  test.each<[Partial<Record<keyof Config, unknown>>, RegExp]>([
    [{ steps: Number.NaN }, /^steps: got NaN, expected a number$/],
    [{ clipNorm: -1 }, /^clipNorm: got -1, expected more than 0$/],
    [{ evalIters: 2.5 }, /^evalIters: got 2.5, expected an integer$/],
    [{ evalInterval: 0 }, /^evalInterval: got 0, expected at least 1$/],
    [{ warmup: -3 }, /^warmup: got -3, expected at least 0$/],
    [{ weightDecay: -1 }, /^weightDecay: got -1, expected at least 0$/],
    [{ batchSize: '4' }, /^batchSize: got the text 4, expected a number$/],
  ])('a config with %j is refused before a step, and what it does not have is not asked for', (change, message) => {
    const { model, dataset, config, streams } = setUp()
    const make = (own: Partial<Config>) => new Trainer(model, dataset, own as Config, streams) // as a cell of a notebook may
    expect(() => make({ ...config, ...(change as Partial<Config>) })).toThrow(ConfigError)
    expect(() => make({ ...config, ...(change as Partial<Config>) })).toThrow(message)
    make({ batchSize: 4, schedule: 'constant' }).dispose()
  })
  test('so are steps that cannot be', async () => {
    const { model, dataset, config, streams } = setUp()
    const trainer = new Trainer(model, dataset, config, streams)
    for (const steps of [2.5, -1, Number.NaN]) await expect(trainer.run(steps)).rejects.toThrow(/^steps: got/)
    expect(trainer.step).toBe(0)
  })
})

test.each<[Partial<Record<keyof Config, unknown>>, RegExp]>([
  [{ dropout: -0.5 }, /^dropout: got -0.5, expected at least 0$/],
  [{ numExperts: 4.5 }, /^numExperts: got 4.5, expected an integer$/],
  [{ capacityFactor: Number.NaN }, /^capacityFactor: got NaN, expected a number$/],
  [{ positions: 'nope' }, /^positions: got nope, expected one of learned, rope$/],
  [{ firstRouters: 'hash*99' }, /^firstRouters: got routers for 99 layers, expected at most nLayer \(2\)$/],
])('a model with %j is refused', (change, message) => {
  expect(() => setUp(change as Partial<Config>)).toThrow(ConfigError)
  expect(() => setUp(change as Partial<Config>)).toThrow(message)
})
