/** `makemoe train`: a text in; losses, weights and a sample out. */
import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import type { Config } from '../config'
import { writeFileWhole } from '../files'
import { SparseMoELanguageModel } from '../model/language-model'
import { generate } from '../model/sampler'
import { createStreams } from '../tensor/streams'
import { CharTokenizer } from '../text/char-tokenizer'
import { Dataset } from '../text/dataset'
import { JsonLinesTracker } from '../track/tracker'
import { saveCheckpoint } from '../train/checkpoint'
import { type Progress, Trainer } from '../train/trainer'
import { compiler } from './compiler'
import { requireNewFolder } from './new-folder'
import { projectRoot } from './setup/paths'
import { textOf } from './text-of'

export interface TrainOptions {
  readonly preset?: string
  readonly text?: string
  readonly out?: string
  readonly sample?: number
  readonly eager?: boolean
}

/** 75 -> `1:15`. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const minutes = String(Math.floor(whole / 60) % 60)
  const hours = Math.floor(whole / 3600)
  return `${hours > 0 ? `${hours}:${minutes.padStart(2, '0')}` : minutes}:${String(whole % 60).padStart(2, '0')}`
}

/** A progress bar on a terminal; elsewhere a line now and then. */
function showProgress(steps: number): { update(progress: Progress): void; line(text: string): void; stop(): void } {
  const describe = ({ loss, tokensPerSecond, secondsLeft }: Progress): string =>
    `loss ${loss.toFixed(4)} | ${Math.round(tokensPerSecond).toLocaleString('en-US')} tokens/s | ${clock(secondsLeft)} left`
  if (!process.stderr.isTTY) {
    let shown = Date.now()
    const update = (progress: Progress): void => {
      if (Date.now() - shown < 15_000) return
      shown = Date.now()
      console.log(`  ${progress.step}/${progress.steps} | ${describe(progress)}`)
    }
    return { update, line: console.log, stop: () => {} }
  }
  const bar = new SingleBar({ format: '{bar} {value}/{total} | {text}', clearOnComplete: true, stopOnComplete: false }, Presets.shades_grey)
  bar.start(steps, 0, { text: '' })
  return {
    update: (progress) => bar.update(progress.step, { text: describe(progress) }),
    line: (text) => {
      process.stderr.write('\r\x1b[K')
      console.log(text)
    },
    stop: () => bar.stop(),
  }
}

/**
 * Trains, saves and writes a sample.
 * @returns the exit status: 0, or 130 after Ctrl-C
 */
export async function train(config: Config, options: TrainOptions): Promise<number> {
  const corpus = textOf(options)
  const tokenizer = CharTokenizer.fromText(corpus.text)
  const dataset = new Dataset(tokenizer.encode(corpus.text), config.blockSize)
  const name = `${options.preset ?? 'default'}-${config.seed}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}`
  const folder = options.out ?? join(projectRoot(), 'data', 'runs', name)
  requireNewFolder(folder)

  const streams = createStreams(config.seed)
  const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)
  console.log(
    `text: ${corpus.source}, ${dataset.splits.train.length + dataset.splits.val.length} characters, ${tokenizer.vocabSize} different`,
  )
  console.log(`parameters: ${model.parameterCount() / 1e6} M (${model.activeParameterCount() / 1e6} M active per character)`)

  mkdirSync(folder, { recursive: true })
  const tracker = new JsonLinesTracker(join(folder, 'metrics.jsonl'))
  const save = (): void => saveCheckpoint(folder, { model, tokenizer, config })
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    stopping.abort(signal)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  const progress = showProgress(config.steps)
  const compile = compiler(options.eager, progress.line)
  const trainer = new Trainer(model, dataset, config, streams, {
    compile,
    signal: stopping.signal,
    onMetric: (metric) => {
      tracker.log(metric)
      if ('val_loss' in metric)
        progress.line(`step ${metric.step}: train loss ${metric.train_loss.toFixed(4)}, val loss ${metric.val_loss.toFixed(4)}`)
    },
    onProgress: (state) => progress.update(state),
  })
  try {
    const finished = await trainer.run()
    progress.stop()
    if (!finished) {
      const signal = stopping.signal.reason as NodeJS.Signals
      console.log(`stopped by ${signal} after step ${trainer.step}; the weights so far are in ${relative(process.cwd(), folder)}`)
      return signal === 'SIGINT' ? 130 : 143
    }
  } finally {
    // Whatever happened, what was learned is kept.
    progress.stop()
    save()
    tracker.close()
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }

  const likeMakemoe = options.preset === 'makemoe'
  const ids: number[] = []
  for (const [id] of generate(model, [[0]], {
    tokens: options.sample ?? 500,
    streams,
    likeMakemoe,
    makeStep: likeMakemoe ? (step) => step : compile,
  }))
    ids.push(id as number)
  const sample = tokenizer.decode(ids)
  writeFileWhole(join(folder, 'sample.txt'), `${sample}\n`)
  console.log(`\n${sample}\n`)
  console.log(`saved in ${relative(process.cwd(), folder)}`)
  return 0
}
