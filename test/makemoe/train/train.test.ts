import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import {
  AdamW,
  CharTokenizer,
  CheckpointError,
  type Config,
  type Context,
  compile,
  createStreams,
  Dataset,
  estimateLoss,
  exactLoss,
  generate,
  gradientsOf,
  importStateDict,
  type Loss,
  loadCheckpoint,
  loadStateDict,
  MakemoeError,
  type Metric,
  presets,
  SparseMoELanguageModel,
  type StateDict,
  saveCheckpoint,
  type Tensor,
  Trainer,
  TrainingError,
  tf,
  type Variable,
} from 'makemoe'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { inSubgraphs, makeLossSum } from 'makemoe/dist/makemoe/train/evaluate'
import { readNumbers } from 'makemoe/dist/makemoe/train/metrics'
import { learningRateAt } from 'makemoe/dist/makemoe/train/schedule'
import { sizesOf } from 'makemoe/dist/makemoe/train/state-dict'
import { makeTrainStep } from 'makemoe/dist/makemoe/train/step'
import type { Compile } from 'makemoe/dist/makemoe/train/trainer'
import { checkpointIn, loadResumable, newestCheckpoint, RunFolder } from 'makemoe/dist/runs/run-folder'
import { decodeSafetensors, encodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { JsonLinesTracker } from 'makemoe/dist/runs/track/jsonl'
import { noTracker } from 'makemoe/dist/runs/track/tracker'
import { describe, expect, test } from 'vitest'

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

describe('steps and gradients', () => {
  test('gradientsOf gives zeros for what the loss does not reach', () => {
    const [a, b] = [tf.variable(tf.scalar(3)), tf.variable(tf.scalar(5))]
    const { loss, gradients } = gradientsOf(() => tf.square(a), [a, b])
    expect([loss, ...gradients].map((x) => x.dataSync()[0])).toEqual([9, 6, 0])
  })
  test('makeTrainStep lowers the loss', () => {
    const { model, streams, dataset } = setUp({ dropout: 0 })
    const step = makeTrainStep(model, new AdamW(model.namedParameters()), streams)
    const { x, y } = dataset.randomBatch('train', 4, streams.data)
    const losses = Array.from({ length: 60 }, () => readNumbers(step(x, y)).loss as number)
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
  test('stops when told', async () => {
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

describe('resuming', () => {
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
  test('a checkpoint of an earlier version: a newer stream starts at 0, one that is gone is ignored and named', () => {
    const { model, dataset, config, streams } = fresh()
    const trainer = new Trainer(model, dataset, config, streams)
    trainer.trainOnce()
    const run = RunFolder.create(join(folder, 'older'))
    const path = run.saveCheckpoint({ model, tokenizer, config }, trainer.state(), 'sha')
    run.close()
    const file = join(path, 'training.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"dropout": (\d+)/, '"jitter": $1'))
    expect(readFileSync(file, 'utf8')).toContain('jitter')
    const { state } = loadResumable(run.path)
    expect(trainer.restore(state)).toEqual(['jitter'])
    expect(trainer.state().streams).toMatchObject({ dropout: 0, data: 1 })
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
    const bad = new Map(model.namedParameters()).get('blocks.1.attention.proj.bias') as Variable
    bad.assign(tf.fill(bad.shape, Number.NaN))
    const running = new Trainer(model, dataset, config, streams, { compile }).run()
    await expect(running).rejects.toThrow(TrainingError)
    await expect(running).rejects.toThrow(/loss of step 0 is NaN; the first report that is not finite is routing\/layer_1\/entropy/)
  })
})

describe('what a step tells', () => {
  /** A model of one weight w with the loss w^2; `tell` is its forward pass's part in it. */
  const square = (tell: (w: Tensor, ctx: Context) => void, start = 3) => {
    const weight = tf.variable(tf.scalar(start))
    const loss = (_x: Tensor, _y: Tensor, ctx: Context): Tensor => {
      tell(weight, ctx)
      return tf.square(weight)
    }
    return { weight, loss, namedParameters: () => [['weight', weight] as const] }
  }
  const streams = createStreams(1)
  const [x, y] = [tf.zeros([1, 1], 'int32'), tf.zeros([1, 1], 'int32')]
  const numbers = (tell: (w: Tensor, ctx: Context) => void, reporting: boolean, wrap: Compile = (fn) => fn) => {
    const model = square(tell)
    return readNumbers(wrap(makeTrainStep(model, new AdamW(model.namedParameters()), streams, reporting))(x, y))
  }
  test('the loss alone, unless it reports', () => {
    expect(numbers(() => {}, false)).toEqual({ loss: 9 })
    const told = numbers(() => {}, true)
    expect(told).toEqual({ loss: 9, gradient_norm: expect.closeTo(6, 5) })
  })
  test.each([
    ['eager', (fn) => fn],
    ['compiled', compile],
  ] as [string, Compile][])('%s: auxiliary losses are summed by name, move the gradient, and are told apart', (_how, wrap) => {
    const twoLayers = (w: Tensor, ctx: Context): void => {
      ctx.addLoss?.('switch', tf.mul(w, 2))
      ctx.addLoss?.('switch', tf.mul(w, 3))
      ctx.addLoss?.('z', tf.scalar(10))
    }
    const told = numbers(twoLayers, true, wrap)
    // w = 3: 9 + 15 + 10; the gradient is 2w + 5.
    expect(told).toEqual({ loss: 9, 'loss/switch': 15, 'loss/z': 10, objective: 34, gradient_norm: expect.closeTo(11, 5) })
  })
  test.each([
    ['eager', (fn) => fn],
    ['compiled', compile],
  ] as [string, Compile][])(
    '%s: any part reports numbers and vectors under its own name; several reports of a name are averaged',
    (_how, wrap) => {
      const parts = (w: Tensor, ctx: Context): void => {
        ctx.report?.('weight', w)
        ctx.report?.('layer_0/z', tf.mul(w, 2))
        ctx.report?.('layer_0/z', tf.mul(w, 4))
        ctx.report?.('layer_1/share', tf.tensor1d([1, 2], 'int32'))
      }
      expect(numbers(parts, true, wrap)).toMatchObject({ weight: 3, 'layer_0/z': 9, 'layer_1/share_0': 1, 'layer_1/share_1': 2 })
      expect(Object.keys(numbers(parts, false, wrap))).toEqual(['loss'])
    },
  )
  test('a matrix is no report, a vector no loss', () => {
    expect(() => numbers((_w, ctx) => ctx.report?.('map', tf.zeros([2, 2])), true)).toThrow(/report map: got shape \[2,2\]/)
    expect(() => numbers((_w, ctx) => ctx.addLoss?.('switch', tf.zeros([2])), true)).toThrow(/loss\/switch: got shape \[2\]/)
  })
  test('reporting does not change the training, to the bit', () => {
    const weights = (interval: number) => {
      const { model, dataset, config, streams } = setUp({ steps: 9 })
      const trainer = new Trainer(model, dataset, config, streams, { compile })
      for (let i = 0; i < 9; i++) trainer.trainOnce(i % interval === 0)
      return model.parameters().map((parameter) => Array.from(parameter.dataSync()))
    }
    expect(weights(3)).toEqual(weights(100))
  })
  test('the routing of every layer, and nothing is left behind', () => {
    const { model, dataset, config, streams } = setUp({ capacityFactor: 0.5 })
    const trainer = new Trainer(model, dataset, config, streams)
    const told = trainer.trainOnce(true)
    const load = Object.entries(told).filter(([name]) => name.startsWith('routing/layer_1/load_'))
    expect(load).toHaveLength(4)
    expect(load.reduce((sum, [, value]) => sum + value, told['routing/layer_1/dropped'] as number)).toBe(2 * 4 * 8)
    expect(told['routing/layer_0/dropped']).toBeGreaterThan(0)
    const { numTensors } = tf.memory()
    for (let i = 0; i < 5; i++) trainer.trainOnce(true)
    expect(tf.memory().numTensors).toBe(numTensors)
    const made = tf.memory().numTensors
    trainer.dispose()
    expect(tf.memory().numTensors).toBeLessThan(made)
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
  test('inSubgraphs: the same mean, in two parts that keep their units whole', () => {
    const sizes: number[] = []
    const meanOf: Loss = (x, y) => {
      sizes.push(x.shape[0] as number)
      return tf.mean(tf.cast(tf.add(x, y), 'float32'))
    }
    const [x, y] = [0, 100].map((low) => tf.range(low, low + 24, 1, 'int32').reshape([6, 4])) as [Tensor, Tensor]
    for (const unit of [1, 3, 2, 6]) expect(inSubgraphs(meanOf, unit)(x, y).dataSync()[0]).toBe(123)
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

test('writeFileAtomic leaves no partial file', () => {
  writeFileAtomic(join(folder, 'deep', 'file.txt'), 'all')
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
