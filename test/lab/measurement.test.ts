import { CharTokenizer, type Config, Dataset, exactLoss, type Metric, TrainingError, tf, validateConfig } from 'makemoe'
import { type MeasureTrainingOptions, measureTraining } from 'makemoe/dist/lab/measurement'
import { openTraining } from 'makemoe/dist/lab/training'
import { makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { expect, test } from 'vitest'
import { twoLayers } from '../support'

const text = 'to be, or not to be: that is the question.\n'.repeat(12)
const tokenizer = CharTokenizer.fromText(text)
const config = validateConfig({
  ...{ ...twoLayers, nEmbed: 8, blockSize: 8, nLayer: 1, batchSize: 4, numExperts: 4, topK: 2, capacityFactor: 0.5 },
  ...{ steps: 20, evalInterval: 10, evalIters: 1, dropout: 0, seed: 3 },
})
const common = { dataset: new Dataset(tokenizer.encode(text), 8), vocabSize: tokenizer.vocabSize }
const measure = (changes: Partial<Config> = {}, options: Partial<MeasureTrainingOptions> = {}) =>
  measureTraining({ name: 'mine', variant: {}, config: { ...config, ...changes } }, { ...common, compile: (fn) => fn, ...options })

test('loss, curve, sizes, and the last quarter of the load and of the drops are those of the training itself; all is freed', async () => {
  const reports: Metric[] = []
  const training = openTraining(config, {}, common, { reportInterval: 1, onMetric: (metric) => void reports.push(metric) })
  await training.trainer.run()
  const { nats } = exactLoss(makeLossSum(training.model, { training: false, streams: training.streams }), common.dataset)
  const last = reports.filter(({ step, loss }) => loss !== undefined && step >= 15)
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const loads = [0, 1, 2, 3].map((expert) => mean(last.map((row) => row[`routing/layer_0/load_${expert}`] ?? Number.NaN)))
  const deviation = Math.sqrt(mean(loads.map((load) => (load - mean(loads)) ** 2)))
  const dropped = mean(last.map((row) => row['routing/layer_0/dropped'] ?? Number.NaN))
  const parameters = training.model.parameterCount()
  training.dispose()

  const before = tf.memory().numTensors
  const found = await measure()
  expect(tf.memory().numTensors).toBe(before)
  expect(last).toHaveLength(5)
  expect(found).toMatchObject({
    variant: 'mine',
    seed: 3,
    steps: 20,
    tokensPerStep: 32,
    validationLoss: nats,
    parameters,
    looksAhead: false,
  })
  expect(found?.curve.map(({ step }) => step)).toEqual(reports.filter(({ val_loss }) => val_loss !== undefined).map(({ step }) => step))
  expect(found?.loadVariation).toBeCloseTo(deviation / mean(loads), 6)
  expect(dropped).toBeGreaterThan(0)
  expect(found?.dropped).toBeCloseTo(dropped / (32 * 2), 6)
})

test('a training that is stopped has no measurement, and nothing is left', async () => {
  const before = tf.memory().numTensors
  expect(await measure({}, { signal: AbortSignal.abort() })).toBeUndefined()
  expect(tf.memory().numTensors).toBe(before)
})

test('a training that diverges is named with its seed, and nothing is left', async () => {
  const before = tf.memory().numTensors
  const diverged = measure({ learningRate: 100, weightDecay: 100, seed: 5 })
  await expect(diverged).rejects.toThrow(TrainingError)
  await expect(diverged).rejects.toThrow(/^variant mine, seed 5: /)
  expect(tf.memory().numTensors).toBe(before)
})
