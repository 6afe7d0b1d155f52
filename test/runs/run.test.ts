/** Runs as a notebook has them: lib's model, one of a cell with the same names, and a stranger's. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buffer,
  CharTokenizer,
  CheckpointError,
  type Context,
  compile,
  createStreams,
  crossEntropy,
  Dataset,
  Linear,
  loadCheckpoint,
  loadWeights,
  Module,
  type NamedParameter,
  Optimizer,
  type Parts,
  presets,
  Run,
  resumeRun,
  SparseMoELanguageModel,
  startRun,
  stateDictOf,
  type Tensor,
  TopkRouter,
  Trainer,
  tf,
  validateConfig,
} from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { loadTrainingState, newestCheckpoint } from 'makemoe/dist/runs/run-folder'
import { readRunRecord } from 'makemoe/dist/runs/track/run-record'
import { describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-run-'))
const text = 'the quick brown fox jumps over the lazy dog. '.repeat(40)
const tokenizer = CharTokenizer.fromText(text)
const { vocabSize } = tokenizer
const dataset = new Dataset(tokenizer.encode(text), 8)
const sizes = { nEmbed: 16, nHead: 2, nLayer: 1, blockSize: 8, numExperts: 4, batchSize: 4, evalInterval: 100, evalIters: 1 }
const config = validateConfig({ ...presets.corrected, ...sizes, steps: 12, schedule: 'constant' })
const weights = (model: { namedParameters(): readonly (readonly [string, { dataSync(): ArrayLike<number> }])[] }) =>
  model.namedParameters().map(([, parameter]) => Array.from(parameter.dataSync()))
const start = (name: string, change: Partial<Parameters<typeof startRun>[1]> = {}) => {
  const streams = createStreams(config.seed)
  const model = new SparseMoELanguageModel({ ...config, vocabSize }, streams.init)
  return startRun(join(folder, name), { model, tokenizer, dataset, config, streams, ...change })
}

/** A bigram model: no Module, no names of PyTorch. */
const stranger = (streams = createStreams(3)) => {
  const table = tf.variable(streams.init.normal([vocabSize, vocabSize]))
  const loss = (x: Tensor, y: Tensor, _ctx: Context): Tensor =>
    crossEntropy(tf.reshape(tf.gather(table, tf.cast(tf.reshape(x, [-1]), 'int32') as never), [...x.shape, vocabSize]), y)
  return { loss, namedParameters: () => [['table', table] as const] }
}

describe("lib's model", () => {
  test('is trained, stopped, trained on, closed, trained on with more steps, and resumed: the weights of one calm training', async () => {
    const streams = createStreams(config.seed)
    const calm = new SparseMoELanguageModel({ ...config, vocabSize }, streams.init)
    await new Trainer(calm, dataset, { ...config, steps: 20 }, streams, { compile }).run(12)
    // Trainer evaluates before the last step, so the same three stretches are made.
    const run = start('whole')
    const stopping = new AbortController()
    const seen: number[] = []
    const first = await run.train({
      signal: stopping.signal,
      onProgress: ({ step }) => {
        seen.push(step)
        if (step === 5) stopping.abort()
      },
    })
    expect([first, run.finished, run.trainer.step]).toEqual([false, false, 5])
    expect(await run.train()).toBe(true)
    expect(run.trainer.step).toBe(12)
    expect(weights(run.trainer.model)).toEqual(weights(calm))
    await run.close()
    expect(readRunRecord(run.path).status).toBe('FINISHED')
    expect(await run.train({ steps: 15 })).toBe(true)
    expect(readRunRecord(run.path).status).toBeUndefined()
    await run.close()
    const losses = readFileSync(join(run.path, 'metrics.jsonl'), 'utf8').match(/"step":\d+,"loss"/g)
    expect(losses).toEqual(Array.from({ length: 15 }, (_, step) => `"step":${step},"loss"`))
    expect(loadCheckpoint(run.path).config.steps).toBe(15)

    const resumed = resumeRun(run.path, { dataset, steps: 18 })
    expect(await resumed.train()).toBe(true)
    await resumed.close()
    await run.train({ steps: 18 })
    expect(weights(resumed.trainer.model)).toEqual(weights(run.trainer.model))
    await run.close()
  })
  test('another text is refused', async () => {
    const run = start('text')
    await run.train({ steps: 2 })
    await run.close()
    const other = new Dataset(tokenizer.encode(text.split('').reverse().join('')), 8)
    expect(() => resumeRun(run.path, { dataset: other })).toThrow(/another text/)
  })
  test('another split of the text is refused; the same one is recorded and resumed', async () => {
    const ids = tokenizer.encode(text)
    const split = (trainTokens?: number) => new Dataset(ids, 8, trainTokens)
    const run = start('split', { dataset: split(1500) })
    await run.train({ steps: 2 })
    await run.close()
    expect(loadCheckpoint(run.path).text).toMatchObject({ trainCharacters: 1500 })
    expect(() => resumeRun(run.path, { dataset })).toThrow(/first 1500 characters of its text, the dataset has the first 90 %/)
    expect(() => resumeRun(run.path, { dataset: split(1499) })).toThrow(CheckpointError)
    const resumed = resumeRun(run.path, { dataset: split(1500), steps: 3 })
    expect(await resumed.train()).toBe(true)
    await resumed.close()
    const usual = start('usual-split')
    usual.save()
    await usual.close()
    expect(loadCheckpoint(usual.path).text).not.toHaveProperty('trainCharacters')
    expect(() => resumeRun(usual.path, { dataset: split(1500) })).toThrow(
      /first 90 % of its text, the dataset has the first 1500 characters/,
    )
  })
  test('a cell that is interrupted and the next one take turns', async () => {
    const run = start('turns')
    const stopping = new AbortController()
    const first = run.train({ signal: stopping.signal })
    const second = run.train()
    stopping.abort()
    expect([await first, await second]).toEqual([false, true])
    await run.close()
  })
  test('a config that cannot be is refused by its field, whatever the model is', () => {
    const wrong = { ...config, optimizer: 'nope' as 'adamw' }
    expect(() => start('config', { config: wrong })).toThrow(/^optimizer: got nope, expected one of adamw, /)
    expect(() => start('config', { config: wrong, model: stranger(), weightsOnly: true })).toThrow(/^optimizer: got nope/)
  })
  test('options that cannot be are refused before a step, and the run can still be trained', async () => {
    const run = start('options')
    for (const steps of [Number.NaN, 2.5, -1]) await expect(run.train({ steps })).rejects.toThrow(/^steps: got/)
    for (const checkpointEvery of [Number.NaN, 0, 1.5])
      await expect(run.train({ checkpointEvery })).rejects.toThrow(/^checkpointEvery: got .*, expected an integer of at least 1$/)
    expect(run.trainer.step).toBe(0)
    expect(existsSync(join(run.path, 'checkpoints'))).toBe(false)
    expect(await run.train({ steps: 1 })).toBe(true)
    await run.close()
  })
  test('weights that were changed since the checkpoint of their step are saved', async () => {
    const run = start('changed')
    await run.train({ steps: 2 })
    const { head } = run.trainer.model as SparseMoELanguageModel
    tf.tidy(() => head.weight.assign(tf.zerosLike(head.weight)))
    expect(run.save()).toBe(join(run.path, 'checkpoints', 'step-2'))
    for (const path of [run.path, join(run.path, 'checkpoints', 'step-2')])
      expect(
        loadCheckpoint(path)
          .model.head.weight.dataSync()
          .every((value) => value === 0),
      ).toBe(true)
    // A process that ends while one takes the place of another leaves both, or the new one alone.
    const old = join(run.path, 'checkpoints', 'step-2')
    cpSync(old, `${old}.new`, { recursive: true })
    expect(newestCheckpoint(run.path)).toBe(`${old}.new`)
    rmSync(old, { recursive: true })
    expect(loadTrainingState(run.path).state.step).toBe(2)
    run.save()
    expect(readdirSync(join(run.path, 'checkpoints'))).toEqual(['step-2'])
    const { mtimeMs } = statSync(old)
    run.save()
    expect(statSync(old).mtimeMs).toBe(mtimeMs)
    await run.close()
  })
  test('a folder belongs to one run at a time', () => {
    const run = start('mine')
    expect(() => resumeRun(run.path, { dataset })).toThrow(CheckpointError) // nothing saved yet
    run.save()
    expect(() => resumeRun(run.path, { dataset })).toThrow(/another process is using/)
  })
})

describe('parts by value', () => {
  class Narrow extends Module {
    readonly up: Linear
    constructor(width: number, stream: ReturnType<typeof createStreams>['init']) {
      super()
      this.up = new Linear(width, width, stream)
    }
    forward(x: Tensor): Tensor {
      return tf.relu(this.up.forward(x))
    }
  }
  const parts: Parts = { expert: ({ nEmbed }, stream) => new Narrow(nEmbed, stream) }
  test('are asked for again', async () => {
    const streams = createStreams(config.seed)
    const model = new SparseMoELanguageModel({ ...config, vocabSize }, streams.init, parts)
    expect(() => start('forgotten', { model, streams })).toThrow(
      /could not load this model again: it is not the model that its config makes/,
    )
    expect(existsSync(join(folder, 'forgotten'))).toBe(false)
    const run = start('parts', { model, streams, parts })
    await run.train({ steps: 3 })
    await run.close()
    expect(() => loadCheckpoint(run.path)).toThrow(/made with the parts expert of a notebook; give them again/)
    expect(() => loadCheckpoint(run.path, { router: parts.expert } as never)).toThrow(
      /got the parts router, expected those it was made with: expert/,
    )
    expect(() => loadCheckpoint(run.path, { exprt: parts.expert } as never)).toThrow(/got exprt.*did you mean expert/)
    expect(weights(loadCheckpoint(run.path, parts).model)).toEqual(weights(model))
    const again = resumeRun(run.path, { dataset, parts })
    expect(await again.train({ steps: 5 })).toBe(true)
    await again.close()
  })
  test('a run without any is not loaded with some', async () => {
    const run = start('none')
    run.save()
    expect(() => loadCheckpoint(run.path, parts)).toThrow(/got the parts expert, expected those it was made with: none/)
  })
})

describe('integers and booleans', () => {
  class Counting extends TopkRouter {
    readonly calls = buffer(tf.scalar(0, 'int32'))
    readonly used = buffer(tf.scalar(false, 'bool'))
    override forward(...[x, ctx, bias]: Parameters<TopkRouter['forward']>) {
      if (ctx?.training) {
        this.calls.assign(tf.add(this.calls, tf.scalar(1, 'int32')))
        this.used.assign(tf.scalar(true, 'bool'))
      }
      return super.forward(x, ctx, bias)
    }
  }
  class Stepping extends Optimizer {
    readonly steps = buffer(tf.scalar(0, 'int32'))
    constructor(
      private readonly parameters: readonly NamedParameter[],
      { learningRate }: { readonly learningRate: number },
    ) {
      super(learningRate)
    }
    apply(gradients: readonly Tensor[]): void {
      this.steps.assign(tf.add(this.steps, tf.scalar(1, 'int32')))
      const rate = tf.div(this.learningRate, tf.sqrt(tf.cast(this.steps, 'float32')))
      for (const [i, [, parameter]] of this.parameters.entries()) parameter.assign(tf.sub(parameter, tf.mul(rate, gradients[i] as Tensor)))
    }
    state(): readonly NamedParameter[] {
      return [['steps', this.steps]]
    }
  }
  const routers: Counting[] = []
  const parts: Parts = {
    router({ nEmbed, numExperts, topK }, stream) {
      const router = new Counting(nEmbed, numExperts, topK, stream)
      routers.push(router)
      return router
    },
    optimizer: (parameters, options) => new Stepping(parameters, options),
  }
  test('are saved and resumed as what they are; those that float32 does not have are refused', async () => {
    const { optimizer: _optimizer, ...ofModel } = parts
    const begin = (name: string) => {
      const streams = createStreams(config.seed)
      return start(name, { model: new SparseMoELanguageModel({ ...config, vocabSize }, streams.init, ofModel), streams, parts })
    }
    const whole = begin('integers')
    await whole.train({ steps: 6 })
    const run = begin('integers-resumed')
    await run.train({ steps: 3 })
    await run.close()
    const resumed = resumeRun(run.path, { dataset, parts, steps: 6 })
    const { calls, used } = routers.at(-1) as Counting
    expect([calls, used].map(({ dtype }) => dtype)).toEqual(['int32', 'bool'])
    expect([calls, used].map((variable) => variable.dataSync()[0])).toEqual([3, 1])
    await resumed.train()
    expect(calls.dataSync()[0]).toBe(6)
    expect((resumed.trainer.optimizer as Stepping).steps.dataSync()[0]).toBe(6)
    expect(weights(resumed.trainer.model)).toEqual(weights(whole.trainer.model))
    const { steps } = resumed.trainer.optimizer as Stepping
    steps.assign(tf.scalar(2 ** 24 + 1, 'int32'))
    expect(() => resumed.save()).toThrow(CheckpointError)
    expect(() => resumed.save()).toThrow(/^steps: got 16777217, expected integers up to 16777216, which a checkpoint keeps exactly$/)
    expect(() => assignParameter(steps, Float32Array.of(0.5))).toThrow(/got 0.5, expected integers/)
    await Promise.all([whole, resumed].map((each) => each.close()))
  })
})

describe("a model that is not lib's", () => {
  test('is refused with the reason before it is trained, or saved as weights alone', async () => {
    expect(() => start('stranger', { model: stranger() })).toThrow(/the checkpoint has no tensor token_embedding_table/)
    const { nHead: _nHead, ...incomplete } = config
    expect(() => start('stranger', { model: stranger(), config: incomplete })).toThrow(/its config is not complete: nHead: got undefined/)
    expect(readdirSync(folder)).not.toContain('stranger')

    const streams = createStreams(config.seed)
    const model = stranger(streams)
    expect(() => start('seed', { model, streams: createStreams(3), weightsOnly: true })).toThrow(/streams: got those of another seed/)
    const run = start('stranger', { model, streams, weightsOnly: true })
    expect(await run.train()).toBe(true)
    await run.close()
    expect(() => loadCheckpoint(run.path)).toThrow(/holds weights alone.*no tensor token_embedding_table/)
    expect([...stateDictOf(model).keys()]).toEqual(['table'])
    const loaded = stranger()
    loadWeights(run.path, loaded)
    expect(weights(loaded)).toEqual(weights(model))

    const resumed = resumeRun(run.path, { dataset, model: stranger(), steps: 15 })
    await resumed.train()
    await resumed.close()
    await run.train({ steps: 15 })
    expect(weights(resumed.trainer.model)).toEqual(weights(model))
  })
  test("one with lib's names that computes something else is recognized by its loss", () => {
    const streams = createStreams(config.seed)
    const model = new SparseMoELanguageModel({ ...config, attentionScale: 'nEmbed', vocabSize }, streams.init)
    const own = { loss: model.loss.bind(model), namedParameters: () => model.namedParameters(), saveState: model.saveState.bind(model) }
    expect(() => start('other', { model: own, streams })).toThrow(/another loss with these weights, \d\.\d+ instead of \d\.\d+/)
    const right = start('right', { model: own, streams, config: { ...config, attentionScale: 'nEmbed' } })
    right.save()
    expect(loadCheckpoint(right.path).config.attentionScale).toBe('nEmbed')
  })
})

test('any number of trainings leave no listener behind', async () => {
  const before = process.listenerCount('SIGINT')
  const run = start('listeners')
  for (let steps = 1; steps <= 12; steps++) await run.train({ steps })
  await run.close()
  expect(process.listenerCount('SIGINT')).toBe(before)
})

test('what the commands make is a Run too', () => expect(start('class')).toBeInstanceOf(Run))
