/** `makemoe train`: a text in; losses, weights and a sample out. Whatever ends it, what was learned is in the run's folder. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { Presets, SingleBar } from 'cli-progress'
import { type Command, Option } from 'commander'
import { keysOf } from '../base/assertions'
import { codeVersion } from '../base/code-version'
import { CheckpointError, ConfigError } from '../base/errors'
import { writeFileAtomic } from '../base/files'
import { commandLine, isInstalled } from '../base/installed'
import { backend } from '../engine/tensor/op'
import { createStreams, type Streams } from '../engine/tensor/streams'
import { type Config, preset, validateConfig } from '../makemoe/config'
import type { SparseMoELanguageModel } from '../makemoe/model/language-model'
import { generate } from '../makemoe/model/sampler'
import { CharTokenizer } from '../makemoe/text/char-tokenizer'
import type { Corpus } from '../makemoe/text/corpus'
import { Dataset } from '../makemoe/text/dataset'
import { encodeCorpus } from '../makemoe/text/encode-corpus'
import { describeProgress, type Progress } from '../makemoe/train/pace'
import { Trainer } from '../makemoe/train/trainer'
import type { TrainingState } from '../makemoe/train/training-state'
import { buildModel } from '../runs/checkpoint'
import { checkShares, type Member, type Parallelism, parallelisms } from '../runs/cluster/member'
import { compareFacts, join as joinCluster, lossOf } from '../runs/cluster/membership'
import { ClusterTeam, shareOfDataset, shareOfStreams } from '../runs/cluster/team'
import { recordOf } from '../runs/parts'
import { Run } from '../runs/run'
import { loadResumable, type ResumableCheckpoint, RunFolder } from '../runs/run-folder'
import { metricsFile, type RunStatus, readRunRecord } from '../runs/track/run-record'
import { defaultTracker, type TrackerName, trackers } from '../runs/track/trackers'
import { figurePage } from '../show/plot/html'
import { type LossCurve, lossCurves, smoothed } from '../show/plot/losses'
import { deadExperts, loadFigure } from '../show/plot/routing-load'
import { type ClusterOptions, memberOf } from './cluster-options'
import { compiler } from './compiler'
import { lookingAhead } from './evaluate'
import { requireGpu } from './gpu'
import { endWithLauncher } from './launcher'
import { lineInPlace, nowAndThen } from './now-and-then'
import { natural, naturalOrZero, number } from './option-values'
import { addCommand, addConfigOptions, addEagerOption, configOptions, presetOption, setUpQuietly } from './options'
import { type LoadedParts, loadParts } from './parts'
import { newRunPath, projectRoot } from './setup/paths'
import { stoppedStatus, stopSignal } from './stopping'
import { recordedPath, textDifference, textOf } from './text-of'
import { startWatchdog } from './watch'
import { trainWithWorkers } from './workers'

interface TrainOptions {
  readonly preset?: string
  readonly text?: string
  readonly out?: string
  readonly sample?: number
  readonly eager?: boolean
  /** Steps between checkpoints. */
  readonly checkpointEvery?: number
  /** How many of the newest checkpoints stay. */
  readonly keep?: number
  /** The folder of a run to resume. */
  readonly resume?: string
  /** A file with parts of one's own. */
  readonly parts?: string
  readonly tracker?: TrackerName
  readonly mlflow?: boolean
  /** This process as one of several that train together. */
  readonly member?: Member | undefined
  readonly parallel?: Parallelism
}

export function register(program: Command): void {
  const command = addEagerOption(addCommand(program, 'train', 'train a model and write a sample'))
    .addOption(presetOption('default: bugs of the original fixed; makemoe: the original; tiny: words within a minute'))
    .option('--resume <folder>', 'resume the run in this folder from its newest checkpoint')
    .option('--checkpoint-every <number>', 'steps between checkpoints (default: 500)', natural)
    .option('--keep <number>', 'newest checkpoints to keep, besides the best (default: 2)', natural)
    .option('--parts <file>', 'TypeScript file that exports some of router, expert, balance, init, optimizer, attention, moe')
    .addOption(
      new Option('--tracker <name>', 'where the run is sent besides its folder (default: mlflow if MLFLOW_TRACKING_URI is set)').choices(
        Object.keys(trackers),
      ),
    )
    .option('--mlflow', 'the same as --tracker mlflow')
    .option('--text <file>', "the text to learn (default: Tiny Shakespeare; with --resume, the run's own)")
    .option('--out <folder>', "the run's folder (default: data/runs/<preset>-<seed>-<time>)")
    .option('--sample <number>', 'characters to write at the end (default: 500)', naturalOrZero)
    .option('--gpu', 'insist on a GPU')
  addConfigOptions(command)
    .optionsGroup('Several processes:')
    .option('--workers <number>', 'processes on this machine that train together, 2 to 8 (--batch-size stays the total)', natural)
    .option('--restarts <number>', 'with --workers: how often a run is resumed after a worker was lost (default: 3)', number)
    .addOption(
      new Option('--parallel <what>', 'what several workers share out: experts and sequences, or sequences alone').choices(parallelisms),
    )
    .option('--cluster <hosts>', 'host:port of each worker on several machines, separated by commas (default: from TF_CONFIG)')
    .option('--worker <number>', 'which of --cluster this process is, from 0', number)
    .option('--wait <seconds>', 'with --cluster: how long the other workers are waited for (default: 8)', natural)
    .option('--trust-network', 'let whoever reaches the ports of the workers run anything: TensorFlow asks for no password')
    .action(async (options: TrainOptions & ClusterOptions & { preset: string; gpu?: boolean } & Record<string, unknown>, self: Command) => {
      const given = configOptions(options)
      const config = validateConfig({ ...preset(options.preset), ...given })
      if (options.resume !== undefined && (options.out !== undefined || self.getOptionValueSource('preset') === 'cli'))
        throw new ConfigError('resume: got --out or --preset beside it, expected neither: a run is resumed in its folder, with its config')
      const member = memberOf(options)
      if (member) endWithLauncher()
      await setUpQuietly(options.text === undefined)
      if (options.workers !== undefined) {
        process.exitCode = await trainWithWorkers(config, options, process.argv.slice(3))
        return
      }
      if (options.gpu) requireGpu()
      const all = { ...options, member }
      process.exitCode = options.resume === undefined ? await train(config, all) : await resume(given, { ...all, resume: options.resume })
    })
}

/** A progress bar on a terminal; elsewhere a line now and then. */
function showProgress(steps: number): { update(progress: Progress): void; line(text: string): void; stop(): void } {
  if (!process.stderr.isTTY) {
    const tell = nowAndThen()
    return { update: (progress) => tell(() => describeProgress(progress)), line: console.log, stop: () => {} }
  }
  const bar = new SingleBar({ format: '{bar} {text}', clearOnComplete: true, stopOnComplete: false }, Presets.shades_grey)
  bar.start(steps, 0, { text: '' })
  return {
    update: (progress) => bar.update(progress.step, { text: describeProgress(progress) }),
    line: (text) => {
      lineInPlace.clear()
      console.log(text)
    },
    stop: () => bar.stop(),
  }
}

/** At most some 500 points of a curve: the page is written again and again while training goes on. */
function thinned(curve: LossCurve): LossCurve {
  const every = Math.ceil(curve.steps.length / 500)
  const keep = (_: number, i: number): boolean => i % every === 0 || i === curve.steps.length - 1
  return { ...curve, steps: curve.steps.filter(keep), losses: curve.losses.filter(keep) }
}

/** Writes `loss.html`: the losses and the load of the experts in a run's metrics. While it trains, a browser reads the page again by itself. */
function writeCurves(folder: string, training: boolean): void {
  const lines = readFileSync(join(folder, metricsFile), 'utf8').split('\n').slice(0, -1)
  const reports = new Map<string, { steps: number[]; values: number[] }>()
  for (const { step = 0, ...numbers } of lines.map((line) => JSON.parse(line) as Record<string, number>))
    for (const [name, value] of Object.entries(numbers)) {
      const reported = reports.get(name) ?? { steps: [], values: [] }
      reports.set(name, reported)
      reported.steps.push(step)
      reported.values.push(value)
    }
  const curve = (name: string, key: string): LossCurve => {
    const { steps = [], values = [] } = reports.get(key) ?? {}
    return { name, steps, losses: values }
  }
  // Of every step, so that a training with few evaluations is a curve, too.
  const batches = { ...curve('batches, running mean', 'loss'), behind: true }
  const smooth = { ...batches, losses: smoothed(batches.losses, 20) }
  const losses = lossCurves([curve('train', 'train_loss'), curve('validation', 'val_loss'), thinned(smooth)], basename(folder))
  const load = loadFigure(reports)
  const dead = deadExperts(reports)
  const note =
    dead === undefined ? '' : dead === '' ? 'No expert is dead.' : `Dead experts, which got no token in the last reports: ${dead}.`
  const page = figurePage(load ? [losses, load] : losses, {
    title: `${basename(folder)}: losses and load`,
    note,
    refresh: training ? 30 : undefined,
  })
  writeFileAtomic(join(folder, 'loss.html'), page)
}

/**
 * The config of a resumed run: its own, but for what does not change the model or its past.
 * @throws ConfigError that names the field and both values
 */
function resumedConfig(saved: Config, given: Partial<Config>): Config {
  for (const name of keysOf(given))
    if (name !== 'steps' && given[name] !== saved[name])
      throw new ConfigError(`${name}: got ${given[name]}, but the run to resume has ${saved[name]}`)
  return { ...saved, ...given }
}

/** What is ready before a run starts. */
interface Prepared extends LoadedParts {
  readonly corpus: Corpus
  readonly tokenizer: CharTokenizer
  readonly dataset: Dataset
  readonly tags: Readonly<Record<string, string>>
}

/**
 * Trains, saves and writes a sample.
 * @returns the exit status: 0, 130 after Ctrl-C, 143 after SIGTERM
 * @throws ConfigError, TextError before anything is written
 */
async function train(config: Config, options: TrainOptions): Promise<number> {
  await enter(options, config)
  const prepared = prepare(config, options, await loadParts(options.parts))
  const { corpus, tokenizer, dataset, parts, partsFile } = prepared
  const streams = createStreams(config.seed)
  const model = buildModel(config, tokenizer.vocabSize, streams.init, parts)
  const text = { sha256: corpus.sha256(), path: recordedPath(options.text) }
  const contents = { model, tokenizer, config, text, parts: recordOf(parts, partsFile) }
  const say = isSilent(options) ? (): void => {} : console.log
  say(`text: ${corpus.source}, ${corpus.characterCount()} characters, ${tokenizer.vocabSize} different`)
  say(`parameters: ${model.parameterCount() / 1e6} M (${model.activeParameterCount() / 1e6} M active per token)`)
  const cluster = teamOf(options, { config, model, dataset, streams, facts: factsOf(config, text.sha256, prepared, 'start') })
  if (isSilent(options)) return assist(config, options, { ...cluster, model }, prepared)
  const folder = (): RunFolder => RunFolder.create(options.out ?? newRunPath(options.preset ?? 'default', config.seed))
  return run((common) => new Run(folder(), contents, config, { ...common, ...cluster }), config, options, prepared)
}

/**
 * Resumes a run.
 * @throws CheckpointError, ConfigError before anything is written
 */
async function resume(given: Partial<Config>, options: TrainOptions & { readonly resume: string }): Promise<number> {
  await enter(options)
  const loaded = await loadParts(options.parts)
  const saved = loadResumable(options.resume, loaded.parts, loaded.partsFile)
  const config = resumedConfig(saved.config, given)
  // A run may have been killed after its last step, before its weights and its sample were written: then only that is left to do.
  const { step } = saved.state
  if (step > config.steps || (step === config.steps && readRunRecord(options.resume).status === 'FINISHED'))
    throw new ConfigError(`steps: got ${config.steps}, but the run in ${options.resume} has made ${step} already (--steps sets more)`)
  const prepared = prepare(config, options, loaded, saved)
  const { dataset } = prepared
  const streams = createStreams(config.seed)
  const cluster = teamOf(options, {
    config,
    model: saved.model,
    dataset,
    streams,
    facts: factsOf(config, saved.textSha256, prepared, `step ${step}`),
  })
  if (isSilent(options)) return assist(config, options, { ...cluster, model: saved.model }, prepared, saved.state)
  console.log(`resumes after step ${step}`)
  const contents = { ...saved, config }
  return run(
    (common) => new Run(RunFolder.open(options.resume), contents, config, { ...common, ...cluster }, saved.state),
    config,
    options,
    prepared,
  )
}

/** Whether this process is one of several, and another one tells. */
const isSilent = ({ member }: TrainOptions): boolean => member !== undefined && member.index > 0

/** Joins the other processes, if there are any; before any variable is made. */
async function enter({ member, parallel = 'experts' }: TrainOptions, config?: Config): Promise<void> {
  if (!member) return
  if (config) checkShares(config, member.hosts.length, parallel)
  await joinCluster(member)
}

/** What must be the same in all processes. */
function factsOf(config: Config, text: string, { partsFile }: Prepared, begin: string): Record<string, string> {
  const fields = Object.entries(config).map(([name, value]) => [name, String(value)])
  return { version: codeVersion(), text, parts: partsFile?.sha256 ?? 'none', begin, ...Object.fromEntries(fields) }
}

/** What a process works on: the whole, or its share of it once all processes have compared what they are about to train. */
function teamOf(
  { member, parallel = 'experts' }: TrainOptions,
  whole: { config: Config; model: SparseMoELanguageModel; dataset: Dataset; streams: Streams; facts: Readonly<Record<string, string>> },
): { readonly dataset: Dataset; readonly streams: Streams; readonly team?: ClusterTeam } {
  const { config, model, dataset, streams, facts } = whole
  if (!member) return { dataset, streams }
  const { length: size } = member.hosts
  checkShares(config, size, parallel)
  compareFacts(member, { parallel, ...facts })
  const rows = config.batchSize / size
  if (member.index === 0)
    console.log(`${size} workers, --parallel ${parallel}: ${config.batchSize} sequences a step in total, ${rows} in each worker`)
  return {
    team: new ClusterTeam(model, member, parallel),
    dataset: shareOfDataset(dataset, member),
    streams: shareOfStreams(streams, member, rows * config.blockSize),
  }
}

/** Trains as one of several processes, another of which has the run's folder and tells. */
async function assist(
  config: Config,
  options: TrainOptions,
  { team, dataset, streams, model }: ReturnType<typeof teamOf> & { readonly model: SparseMoELanguageModel },
  { parts }: Prepared,
  state?: TrainingState,
): Promise<number> {
  const { eager, checkpointEvery = 500, member } = options
  const parameters = model.namedParameters()
  const optimizer = parts.optimizer?.(team?.trained(parameters) ?? parameters, config)
  const compile = compiler(eager, () => {})
  const trainer = new Trainer(model, dataset, config, streams, { team, compile, reportInterval, ...(optimizer ? { optimizer } : {}) })
  if (state) trainer.restore(state)
  const signal = stopSignal()
  const watchdog = startWatchdog()
  trainer.listen({
    signal,
    reportInterval,
    onProgress: watchdog.pulse,
    onStep: (step) => {
      if (step % checkpointEvery === 0 && step < config.steps) trainer.state()
    },
  })
  try {
    const finished = await trainer.run()
    trainer.state()
    return finished ? 0 : 130
  } catch (error) {
    throw member ? lossOf(error, member) : error
  } finally {
    watchdog.stop()
  }
}

/** Reads the text and checks it, for a run that is resumed against what it learned from. */
function prepare(config: Config, options: TrainOptions, loaded: LoadedParts, saved?: ResumableCheckpoint): Prepared {
  const corpus = textOf(options, saved && { path: saved.text?.path, sha256: saved.textSha256 })
  const tokenizer = CharTokenizer.fromText(corpus.pieces())
  const difference = saved && textDifference(corpus, { sha256: saved.textSha256 })
  if (difference !== undefined)
    throw new CheckpointError(`${difference}; it has ${tokenizer.vocabSize} characters, the run's ${saved?.tokenizer.vocabSize}`)
  const dataset = new Dataset(encodeCorpus(tokenizer, corpus), config.blockSize)
  // An installed package lies in somebody else's repository.
  const commit = isInstalled() ? '' : spawnSync('git', ['rev-parse', 'HEAD'], { cwd: projectRoot(), encoding: 'utf8' }).stdout?.trim()
  const device = backend().isUsingGpuDevice ? 'gpu' : 'cpu'
  const tags = { preset: options.preset ?? 'default', seed: String(config.seed), device, ...(commit ? { commit } : {}) }
  return { ...loaded, corpus, tokenizer, dataset, tags }
}

/** Steps between reports: a row for each expert of each layer; a local MLflow server takes 0.2 ms of a core for a row. */
const reportInterval = 50

type CommonOptions = Omit<ConstructorParameters<typeof Run>[3], 'dataset' | 'streams' | 'team'>

/** Trains until the end or a signal; whatever ends it, the run's folder tells. */
async function run(open: (common: CommonOptions) => Run, config: Config, options: TrainOptions, prepared: Prepared): Promise<number> {
  const { parts, partsFile, tags, tokenizer } = prepared
  const progress = showProgress(config.steps)
  const { tracker = options.mlflow ? 'mlflow' : defaultTracker(), keep } = options
  const compile = compiler(options.eager, progress.line)
  const opened = open({
    parts,
    partsFile,
    tags,
    tracker,
    compile,
    warn: progress.line,
    reportInterval,
    ...(keep === undefined ? {} : { keep }),
  })
  const signal = stopSignal()
  let status: RunStatus = 'FAILED'
  const watchdog = options.member && startWatchdog()
  try {
    const finished = await opened.train({
      signal,
      ...(options.checkpointEvery === undefined ? {} : { checkpointEvery: options.checkpointEvery }),
      onMetric: ({ step, train_loss, val_loss }) => {
        if (val_loss === undefined) return
        progress.line(`step ${step}: train loss ${train_loss?.toFixed(4)}, val loss ${val_loss.toFixed(4)}`)
        writeCurves(opened.path, true)
      },
      onProgress: (now) => {
        watchdog?.pulse()
        progress.update(now)
      },
    })
    watchdog?.stop()
    progress.stop()
    const model = opened.trainer.model as SparseMoELanguageModel
    if (model.looksAhead()) console.log(lookingAhead)
    finish(opened.path, finished && !model.looksAhead() ? writeSample(config, model, tokenizer, options, compile) : undefined)
    status = finished ? 'FINISHED' : 'KILLED'
    const shown = relative(process.cwd(), opened.path) || opened.path
    if (finished) console.log(`saved in ${shown}`)
    else
      console.log(
        `stopped by ${signal.reason} after step ${opened.trainer.step}; ${commandLine('train', `--resume ${shown}${options.parts ? ` --parts ${options.parts}` : ''}`)} resumes it`,
      )
    return finished ? 0 : stoppedStatus(signal)
  } catch (error) {
    throw options.member ? lossOf(error, options.member) : error
  } finally {
    watchdog?.stop()
    progress.stop()
    await opened.close(status) // the signals stay caught: the process ends now, and nothing that is written is to be cut off
  }
}

/** Writes what a reader looks at first: the sample, and the curves. */
function finish(folder: string, sample: string | undefined): void {
  if (sample !== undefined) {
    writeFileAtomic(join(folder, 'sample.txt'), `${sample}\n`)
    console.log(`\n${sample}\n`)
  }
  writeCurves(folder, false)
}

/** What the model writes at the end; a model of the original's behavior does it as the original. */
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
  for (const [id] of generate(model, [[0]], { tokens: sample, streams, likeMakemoe, makeStep })) ids.push(id ?? 0)
  return tokenizer.decode(ids)
}
