import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  AdamW,
  CharTokenizer,
  CheckpointError,
  type Config,
  checkpointIn,
  compile,
  createStreams,
  Dataset,
  decodeSafetensors,
  encodeSafetensors,
  estimateLoss,
  exactLoss,
  generate,
  gradientsOf,
  importStateDict,
  inBranches,
  JsonLinesTracker,
  type Loss,
  learningRateAt,
  loadCheckpoint,
  loadResumable,
  loadStateDict,
  MakemoeError,
  type Metric,
  makeLossSum,
  makeReportingStep,
  makeTrainStep,
  newestCheckpoint,
  noTracker,
  presets,
  RunFolder,
  SparseMoELanguageModel,
  type StateDict,
  saveCheckpoint,
  sizesOf,
  type Tensor,
  Trainer,
  TrainingError,
  tf,
  type Variable,
  writeFileWhole,
} from 'makemoe'
import { describe, expect, test } from 'vitest'
import { expectClose } from '../support'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-test-'))
const text = 'the quick brown fox jumps over the lazy dog. '.repeat(40)
const tokenizer = CharTokenizer.fromText(text)
const config: Config = {
  ...presets.default,
  nEmbed: 16,
  nHead: 2,
  nLayer: 2,
  blockSize: 8,
  numExperts: 4,
  steps: 30,
  batchSize: 4,
  evalInterval: 10,
  evalIters: 3,
}
const setUp = (change: Partial<typeof config> = {}, seed = 1) => {
  const all = { ...config, ...change }
  const streams = createStreams(seed)
  const model = new SparseMoELanguageModel({ ...all, vocabSize: tokenizer.vocabSize }, streams.init)
  return { model, streams, dataset: new Dataset(tokenizer.encode(text), all.blockSize), config: all }
}

describe('AdamW', () => {
  test('hand-worked first step: decay, then a step of lr against the sign', () => {
    const p = tf.variable(tf.tensor1d([1, -2]))
    const optimizer = new AdamW([p], { learningRate: 0.1, weightDecay: 0.5 })
    optimizer.apply([tf.tensor1d([3, -4])])
    expectClose(p, [1 * 0.95 - 0.1, -2 * 0.95 + 0.1], 1e-6)
    expect(optimizer.beta1Power.dataSync()[0]).toBeCloseTo(0.9, 6)
    optimizer.dispose()
  })
})

describe('steps and gradients', () => {
  test('gradientsOf gives zeros for what the loss does not reach', () => {
    const [a, b] = [tf.variable(tf.scalar(3)), tf.variable(tf.scalar(5))]
    const { loss, gradients } = gradientsOf(() => tf.square(a), [a, b])
    expect([loss, ...gradients].map((x) => x.dataSync()[0])).toEqual([9, 6, 0])
  })
  test('makeTrainStep lowers the loss', () => {
    const { model, streams, dataset } = setUp({ dropout: 0 })
    const parameters = model.parameters()
    const step = makeTrainStep((x, y) => model.loss(x, y, { training: true, streams }), parameters, new AdamW(parameters))
    const { x, y } = dataset.randomBatch('train', 4, streams.data)
    const losses = Array.from({ length: 60 }, () => step(x, y).dataSync()[0] as number)
    expect(losses[59]).toBeLessThan((losses[0] as number) - 0.5)
  })
})

describe('Trainer', () => {
  test('the same seed gives the same losses to the bit, another seed does not', async () => {
    const run = async (seed: number) => {
      const { model, dataset, config, streams } = setUp({ steps: 5 }, seed)
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
  test('stops when told, keeps what it learned, and goes on', async () => {
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
  test('tensor count is flat over 100 steps of training, evaluation and generation', async () => {
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
    for (let i = 0; i < 100; i++) await all()
    expect(tf.memory().numTensors).toBe(numTensors)
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers)
  })
})

describe('schedule', () => {
  const cosine = { ...presets.default, steps: 1000, learningRate: 1 }
  test.each([
    [0, 0.01],
    [99, 1],
    [100, 1],
    [550, 0.55],
    [999, 0.1],
  ])('cosine at step %i', (step, rate) => expect(learningRateAt(step, cosine)).toBeCloseTo(rate, 4))
  test('constant stays', () => expect([0, 999].map((step) => learningRateAt(step, { ...cosine, schedule: 'constant' }))).toEqual([1, 1]))
  test('a short run warms up for a tenth of its steps', () => expect(learningRateAt(0, { ...cosine, steps: 10 })).toBe(1))
})

describe('going on', () => {
  const fresh = (change: Partial<Config> = {}) => setUp({ steps: 12, evalInterval: 4, evalIters: 2, ...change })
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
    expect([saved.state.step, saved.text]).toEqual([7, 'sha'])
    const { dataset } = fresh(change)
    const second = new Trainer(saved.model, dataset, saved.config, createStreams(99), { compile })
    // Streams come back by their counters; their keys come from the seed.
    const same = new Trainer(saved.model, dataset, saved.config, createStreams(1), { compile })
    expect(() => second.restore({ ...saved.state, optimizer: new Map() })).toThrow(CheckpointError)
    same.restore(saved.state)
    expect(await same.run()).toBe(true)
    expect(weights(saved.model)).toEqual(weights(whole.model))
  })
  test('an evaluation that is stopped leaves the streams as they were', async () => {
    const { model, dataset, config, streams } = fresh()
    const trainer = new Trainer(model, dataset, config, streams, { signal: AbortSignal.abort() })
    const before = trainer.state().streams
    expect(await trainer.evaluate()).toBeUndefined()
    expect(trainer.state().streams).toEqual(before)
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
  test('a loss that is not finite ends it, with step and layer', async () => {
    const { model, dataset, config, streams } = fresh()
    const bad = model.blocks[1]?.attention.proj.bias as Variable
    bad.assign(tf.fill(bad.shape, Number.NaN))
    const running = new Trainer(model, dataset, config, streams, { compile }).run()
    await expect(running).rejects.toThrow(TrainingError)
    await expect(running).rejects.toThrow(/the loss of step 0 is NaN; the first layer that is not finite is 1/)
  })
  test('a compiled step reports routing and gradient; a model without experts reports what it has', () => {
    const { model, streams, dataset } = fresh()
    const step = compile(makeReportingStep(model, new AdamW(model.parameters()), streams))
    const { x, y } = dataset.randomBatch('train', 4, streams.data)
    const { load, dropped, entropy, gradientNorm } = step(x, y)
    expect([load?.shape, dropped?.shape, entropy?.shape]).toEqual([[2, 4], [2], [2]])
    expect(tf.sum(load as Tensor).dataSync()[0]).toBe(2 * 2 * 4 * 8)
    expect(gradientNorm.dataSync()[0]).toBeGreaterThan(0)
    const weight = tf.variable(tf.scalar(3))
    const plain = { loss: () => tf.square(weight), namedParameters: () => [['weight', weight] as const] }
    const report = makeReportingStep(plain as never, new AdamW([weight]), streams)(x, y)
    expect(Object.keys(report)).toEqual(['loss', 'gradientNorm'])
    expect(report.gradientNorm.dataSync()[0]).toBeCloseTo(6, 5)
  })
})

describe('evaluation', () => {
  test('exactLoss is the mean over all windows, whatever the batch size', () => {
    const { model, dataset, streams } = setUp()
    const lossSum = makeLossSum(model, { training: false, streams })
    const shares: number[] = []
    const one = exactLoss(lossSum, dataset, { batchSize: 1, onProgress: (share) => shares.push(share) })
    const many = exactLoss(lossSum, dataset, { batchSize: 7 })
    expect(many.nats).toBeCloseTo(one.nats, 5)
    expect(one.characters).toBe(22 * 8)
    expect(one.bitsPerCharacter).toBeCloseTo(one.nats / Math.log(2), 10)
    expect(shares.at(-1)).toBeGreaterThan(0.9)
  })
  test('estimateLoss averages the batches of each split', async () => {
    const { dataset, streams } = setUp()
    let calls = 0
    const loss = () => tf.scalar(++calls)
    expect(await estimateLoss(loss, dataset, { batchSize: 2, iterations: 3, stream: streams.evaluation })).toEqual({ train: 2, val: 5 })
    // 6 batches, 3 at a time: two groups a split; 4 do not divide 6.
    const rows: number[] = []
    const counting = (x: Tensor) => {
      rows.push(x.shape[0] as number)
      return tf.scalar(1)
    }
    const together = { batchSize: 2, iterations: 6, together: 4, stream: streams.evaluation }
    expect(await estimateLoss(counting, dataset, together)).toEqual({ train: 1, val: 1 })
    expect(rows).toEqual([6, 6, 6, 6])
    expect(await estimateLoss(loss, dataset, { ...together, signal: AbortSignal.abort() })).toBeUndefined()
  })
  test('inBranches: the same mean, in two parts that keep their units whole', () => {
    const sizes: number[] = []
    const meanOf: Loss = (x, y) => {
      sizes.push(x.shape[0] as number)
      return tf.mean(tf.cast(tf.add(x, y), 'float32'))
    }
    const [x, y] = [0, 100].map((low) => tf.range(low, low + 24, 1, 'int32').reshape([6, 4])) as [Tensor, Tensor]
    for (const unit of [1, 3, 2, 6]) expect(inBranches(meanOf, unit)(x, y).dataSync()[0]).toBe(123)
    expect(sizes).toEqual([3, 3, 3, 3, 6, 6])
  })
})

describe('safetensors', () => {
  const state: StateDict = new Map([
    ['a', { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }],
    ['b.c', { shape: [], values: Float32Array.of(5) }],
    ['empty', { shape: [0, 3], values: new Float32Array(0) }],
  ])
  test('reads what it wrote', () => expect(decodeSafetensors(encodeSafetensors(state, { format: 'pt' }))).toEqual(state))
  const header = (json: string, data = 0, length = json.length) => {
    const bytes = Buffer.alloc(8 + json.length + data)
    bytes.writeBigUInt64LE(BigInt(length))
    bytes.write(json, 8)
    return bytes
  }
  test.each([
    ['too short', Buffer.alloc(4), /got 4 bytes/],
    ['a huge header length', header('{}', 0, 2 ** 52), /header claims/],
    ['no JSON', header('{nope'), /not JSON/],
    ['an array', header('[]'), /not a JSON object/],
    ['another dtype', header('{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}', 2), /dtype F16, expected F32/],
    ['offsets outside', header('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', 4), /claims the bytes 0 to 36 of 4/],
    ['a shape that is too large', header('{"a":{"dtype":"F32","shape":[1e9,1e9],"data_offsets":[0,4]}}', 4), /claims/],
    ['left-over bytes', header('{}', 4), /cover 0 of 4 bytes/],
    ['no shape', header('{"a":{"dtype":"F32"}}'), /lacks dtype, shape or data_offsets/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(CheckpointError)
    expect(() => decodeSafetensors(bytes)).toThrow(message)
  })
  test('a flipped or cut file is read or refused, never worse', () => {
    const good = encodeSafetensors(state)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const bad = Buffer.from(good).subarray(0, length)
        if (at < bad.length) bad[at] = value
        try {
          decodeSafetensors(bad)
        } catch (error) {
          expect(error).toBeInstanceOf(MakemoeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('checkpoints', () => {
  const { model } = setUp()
  const path = join(folder, 'run')
  saveCheckpoint(path, { model, tokenizer, config })
  const bytes = readFileSync(join(path, 'model.safetensors'))
  test('load what was saved, to the bit', () => {
    const loaded = loadCheckpoint(path)
    expect(loaded.config).toEqual(config)
    expect(loaded.tokenizer.vocabulary).toEqual(tokenizer.vocabulary)
    for (const [i, variable] of model.parameters().entries())
      expect(loaded.model.parameters()[i]?.arraySync()).toEqual(variable.arraySync())
  })
  test('speak the names of the state_dict', () => {
    const state = decodeSafetensors(bytes)
    expect(sizesOf(state)).toEqual({ vocabSize: tokenizer.vocabSize, nEmbed: 16, blockSize: 8, nHead: 2, nLayer: 2, numExperts: 4 })
    expect(state.get('blocks.1.sa.heads.1.query.weight')?.shape).toEqual([8, 16])
    expect(state.get('blocks.1.sa.heads.1.tril')?.shape).toEqual([8, 8])
    expect(state.get('blocks.0.smoe.router.noise_linear.bias')?.shape).toEqual([4])
    expect(state.get('blocks.0.smoe.experts.3.net.2.weight')?.shape).toEqual([16, 64])
    expect(state.get('lm_head.weight')?.shape).toEqual([tokenizer.vocabSize, 16])
  })
  test('are imported with their sizes read from the shapes', () => {
    const imported = importStateDict(bytes, tokenizer, { dropout: 0.3 })
    expect(imported.config).toMatchObject({ nEmbed: 16, nLayer: 2, dropout: 0.3, attentionScale: 'nEmbed' })
    expect(imported.model.parameters()[0]?.arraySync()).toEqual(model.parameters()[0]?.arraySync())
    expect(() => importStateDict(bytes, new CharTokenizer(['a']))).toThrow(/weights are for 28 characters, the text has 1/)
  })
  test('extra and missing tensors are named', () => {
    const state = decodeSafetensors(bytes)
    state.set('extra.weight', { shape: [1], values: new Float32Array(1) })
    expect(() => loadStateDict(model, state)).toThrow(/no place for, extra\.weight/)
    expect(() => sizesOf(new Map())).toThrow(/not a state_dict of makeMoE's model/)
  })
  const broken = (name: string, file: string, content: string | Uint8Array) => {
    const target = join(folder, name)
    saveCheckpoint(target, { model, tokenizer, config })
    writeFileSync(join(target, file), content)
    return target
  }
  const saved = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
  test.each([
    ['not there', () => join(folder, 'nowhere'), /is not there/],
    ['of broken JSON', () => broken('json', 'config.json', '{'), /is not JSON/],
    ['foreign', () => broken('foreign', 'config.json', '{"a":1}'), /not a config of this project/],
    ['impossible', () => broken('bad', 'config.json', JSON.stringify({ ...saved, config: { ...config, topK: 99 } })), /topK: got 99/],
    [
      'of another size',
      () => broken('size', 'config.json', JSON.stringify({ ...saved, config: { ...config, nLayer: 3 } })),
      /nLayer 2, the config says 3/,
    ],
    ['cut', () => broken('cut', 'model.safetensors', bytes.subarray(0, 5000)), CheckpointError],
  ])('one that is %s is refused', (_what, make, message) => expect(() => loadCheckpoint(make())).toThrow(message as RegExp))
})

test('writeFileWhole leaves no partial file', () => {
  writeFileWhole(join(folder, 'deep', 'file.txt'), 'all')
  expect(readFileSync(join(folder, 'deep', 'file.txt'), 'utf8')).toBe('all')
  expect(existsSync(join(folder, 'deep', 'file.txt.partial'))).toBe(false)
})

test('trackers: JSON lines, and none', async () => {
  const tracker = new JsonLinesTracker(join(folder, 'metrics.jsonl'))
  tracker.log({ step: 1, loss: 2.5 })
  tracker.log({ step: 2, loss: 2.25 })
  await tracker.close()
  const file = join(folder, 'metrics.jsonl')
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  expect(lines()).toEqual([
    { step: 1, loss: 2.5, time: expect.any(Number) },
    { step: 2, loss: 2.25, time: expect.any(Number) },
  ])
  // A killed process left half a line; a resumed one computes step 2 again.
  appendFileSync(file, '{"step":3,"lo')
  const again = new JsonLinesTracker(file)
  for (const step of [2, 3]) again.log({ step, loss: 9 })
  await again.close()
  expect(lines().map(({ step, loss }) => [step, loss])).toEqual([
    [1, 2.5],
    [2, 2.25],
    [3, 9],
  ])
  expect(noTracker.log({ step: 1 })).toBeUndefined()
})
