/** `makemoe train`: a text in; losses, weights and a sample out. Whatever ends it, what was learned is in the run's folder. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import type { Config } from '../config'
import { CheckpointError, ConfigError, RunError, TrainingError } from '../errors'
import { writeFileWhole } from '../files'
import { SparseMoELanguageModel } from '../model/language-model'
import { generate } from '../model/sampler'
import { type LossCurve, lossCurves } from '../plot/charts'
import { figurePage } from '../plot/html'
import { describeProgress } from '../plot/training-view'
import { backend } from '../tensor/op'
import { createStreams } from '../tensor/streams'
import { CharTokenizer } from '../text/char-tokenizer'
import { Dataset } from '../text/dataset'
import { metricsFile, openTracker, readRunDescription } from '../track/mlflow'
import { mlflowServer } from '../track/mlflow-client'
import type { RunStatus } from '../track/tracker'
import { saveCheckpoint, sha256Of } from '../train/checkpoint'
import { loadResumable, newestCheckpoint, type ResumableCheckpoint, RunFolder } from '../train/run-folder'
import { type Progress, Trainer } from '../train/trainer'
import { compiler } from './compiler'
import { projectRoot } from './setup/paths'
import { textOf } from './text-of'

export interface TrainOptions {
  readonly preset?: string
  readonly text?: string
  readonly out?: string
  readonly sample?: number
  readonly eager?: boolean
  /** Steps between checkpoints. */
  readonly checkpointEvery?: number
  /** How many of the newest checkpoints stay. */
  readonly keep?: number
  /** A run folder to go on in. */
  readonly resume?: string
  readonly mlflow?: boolean
}

/** A progress bar on a terminal; elsewhere a line now and then. */
function showProgress(steps: number): { update(progress: Progress): void; line(text: string): void; stop(): void } {
  if (!process.stderr.isTTY) {
    let shown = Date.now()
    const update = (progress: Progress): void => {
      if (Date.now() - shown < 15_000) return
      shown = Date.now()
      console.log(`  ${describeProgress(progress)}`)
    }
    return { update, line: console.log, stop: () => {} }
  }
  const bar = new SingleBar({ format: '{bar} {text}', clearOnComplete: true, stopOnComplete: false }, Presets.shades_grey)
  bar.start(steps, 0, { text: '' })
  return {
    update: (progress) => bar.update(progress.step, { text: describeProgress(progress) }),
    line: (text) => {
      process.stderr.write('\r\x1b[K')
      console.log(text)
    },
    stop: () => bar.stop(),
  }
}

/** The losses in a run's metrics, as curves. */
function curvesOf(file: string): LossCurve[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  const evaluations = lines.map((line) => JSON.parse(line) as Record<string, number>).filter((metric) => 'val_loss' in metric)
  const curve = (name: string, key: string): LossCurve => ({
    name,
    steps: evaluations.map(({ step }) => step as number),
    losses: evaluations.map((metric) => metric[key] as number),
  })
  return [curve('train', 'train_loss'), curve('validation', 'val_loss')]
}

/**
 * The config of a run that goes on: its own, but for what does not change the model or its past.
 * @throws ConfigError that names the field and both values
 */
export function resumedConfig(saved: Config, given: Partial<Config>): Config {
  const free: readonly string[] = ['steps']
  for (const [name, value] of Object.entries(given))
    if (!free.includes(name) && value !== saved[name as keyof Config])
      throw new ConfigError(`${name}: got ${value}, but the run to go on with has ${saved[name as keyof Config]}`)
  return { ...saved, ...given }
}

/** @throws CheckpointError if the run learned from another text */
function checkText(saved: ResumableCheckpoint, text: { sha256: string; tokenizer: CharTokenizer; source: string }): void {
  const [before, now] = [saved.tokenizer.vocabulary, text.tokenizer.vocabulary].map((vocabulary) => vocabulary.join(''))
  if (before !== now)
    throw new CheckpointError(
      `the text ${text.source} has ${text.tokenizer.vocabSize} characters, other than the run's ${saved.tokenizer.vocabSize}`,
    )
  if (saved.text !== text.sha256)
    throw new CheckpointError(`the text ${text.source} is not the run's: its sha256 is ${text.sha256}, expected ${saved.text}`)
}

/**
 * Trains, saves and writes a sample.
 * @param config checked; for a run that goes on, from `resumedConfig`
 * @returns the exit status: 0, 130 after Ctrl-C, 143 after SIGTERM
 */
export async function train(config: Config, options: TrainOptions, saved?: ResumableCheckpoint): Promise<number> {
  const { preset = 'default', checkpointEvery = 500, keep = 2 } = options
  const server = options.mlflow || process.env.MLFLOW_TRACKING_URI ? mlflowServer() : undefined
  const corpus = textOf(options)
  const tokenizer = CharTokenizer.fromText(corpus.text)
  const sha256 = sha256Of(corpus.text)
  if (saved) checkText(saved, { sha256, tokenizer, source: corpus.source })
  const dataset = new Dataset(tokenizer.encode(corpus.text), config.blockSize)
  const name = `${preset}-${config.seed}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}`
  const path = options.resume ?? options.out ?? join(projectRoot(), 'data', 'runs', name)
  const folder = options.resume ? RunFolder.open(path) : RunFolder.create(path)
  const shown = relative(process.cwd(), path) || path

  const streams = createStreams(config.seed)
  const model = saved?.model ?? new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)
  const checkpoint = { model, tokenizer, config }
  console.log(
    `text: ${corpus.source}, ${dataset.splits.train.length + dataset.splits.val.length} characters, ${tokenizer.vocabSize} different`,
  )
  console.log(`parameters: ${model.parameterCount() / 1e6} M (${model.activeParameterCount() / 1e6} M active per character)`)

  const progress = showProgress(config.steps)
  const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: projectRoot(), encoding: 'utf8' }).stdout?.trim()
  const device = backend().isUsingGpuDevice ? 'gpu' : 'cpu'
  const tags = { preset, seed: String(config.seed), device, ...(commit ? { commit } : {}) }
  const tracker = openTracker(path, { config, tags, server, warn: progress.line })
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    stopping.abort(signal)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const compile = compiler(options.eager, progress.line)
  const save = (): void => void folder.saveCheckpoint(checkpoint, trainer.state(), sha256, keep)
  const trainer = new Trainer(model, dataset, config, streams, {
    compile,
    signal: stopping.signal,
    reportInterval: 50, // a row for each expert of each layer; a local MLflow server takes 0.2 ms of a core for a row
    onMetric: (metric) => {
      tracker.log(metric)
      if (metric.val_loss !== undefined)
        progress.line(`step ${metric.step}: train loss ${metric.train_loss?.toFixed(4)}, val loss ${metric.val_loss.toFixed(4)}`)
    },
    onProgress: (state) => progress.update(state),
    onStep: (step) => {
      if (step % checkpointEvery === 0 && step < config.steps) save()
    },
  })
  if (saved) {
    trainer.restore(saved.state)
    console.log(`goes on after step ${saved.state.step}`)
  }
  let status: RunStatus = 'FAILED'
  try {
    const finished = await trainer.run()
    progress.stop()
    save()
    saveCheckpoint(path, checkpoint)
    if (finished) {
      const sample = writeSample(config, model, tokenizer, options, compile)
      writeFileWhole(join(path, 'sample.txt'), `${sample}\n`)
      console.log(`\n${sample}\n`)
    }
    writeFileWhole(join(path, 'loss.html'), figurePage(lossCurves(curvesOf(join(path, metricsFile)), basename(path))))
    status = finished ? 'FINISHED' : 'KILLED'
    if (finished) {
      console.log(`saved in ${shown}`)
      return 0
    }
    const signal = stopping.signal.reason as NodeJS.Signals
    console.log(`stopped by ${signal} after step ${trainer.step}; npm run train -- --resume ${shown} goes on`)
    return signal === 'SIGINT' ? 130 : 143
  } catch (error) {
    if (error instanceof TrainingError) {
      const good = newestCheckpoint(path)
      throw new TrainingError(`${error.message}; the last good checkpoint is ${good ? relative(process.cwd(), good) : 'none yet'}`)
    }
    // Weights and state are sound unless the disk is what failed.
    try {
      if (!(error instanceof RunError)) save()
    } catch (second) {
      progress.line(`what was learned since the last checkpoint could not be saved: ${(second as Error).message}`)
    }
    throw error
  } finally {
    progress.stop()
    await tracker.close(status)
    folder.close()
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** What the model writes at the end; a model of the original's behaviour does it as the original. */
function writeSample(
  config: Config,
  model: SparseMoELanguageModel,
  tokenizer: CharTokenizer,
  { sample = 500 }: TrainOptions,
  compile: ReturnType<typeof compiler>,
): string {
  const likeMakemoe = config.noiseMode === 'always'
  const ids: number[] = []
  // Streams of its own: what training drew does not depend on it. The original's growing window would be traced for each length.
  const streams = createStreams(config.seed)
  const makeStep: typeof compile = likeMakemoe ? (step) => step : compile
  for (const [id] of generate(model, [[0]], { tokens: sample, streams, likeMakemoe, makeStep })) ids.push(id as number)
  return tokenizer.decode(ids)
}

/**
 * Goes on with a run.
 * @throws CheckpointError, ConfigError before anything is written
 */
export async function resume(given: Partial<Config>, options: TrainOptions & { readonly resume: string }): Promise<number> {
  const saved = loadResumable(options.resume)
  const config = resumedConfig(saved.config, given)
  // A run may have been killed after its last step, before its weights and its sample were written: then only that is left to do.
  const { step } = saved.state
  if (step > config.steps || (step === config.steps && readRunDescription(options.resume).status === 'FINISHED'))
    throw new ConfigError(`steps: got ${config.steps}, but the run in ${options.resume} has made ${step} already (--steps sets more)`)
  return train(config, options, saved)
}
