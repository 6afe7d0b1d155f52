/** `makemoe train`: a text in; losses, weights and a sample out. Whatever ends it, what was learned is in the run's folder. */
import { spawnSync } from 'node:child_process'
import { relative } from 'node:path'
import { type Command, Option } from 'commander'
import { codeVersion } from '../base/code-version'
import { ConfigError } from '../base/errors'
import { commandLine, isInstalled } from '../base/installed'
import { inBits } from '../base/numbers'
import { backend } from '../engine/tensor/op'
import { type Config, validateConfig } from '../makemoe/config'
import type { SparseMoELanguageModel } from '../makemoe/model/language-model'
import { partNamesOf } from '../makemoe/part-names'
import { preset } from '../makemoe/presets'
import type { TokenizerName } from '../makemoe/text/tokenizers'
import type { Compile } from '../makemoe/train/compile'
import { type Member, type Parallelism, parallelisms } from '../runs/cluster/member'
import { joinWorkers } from '../runs/cluster/worker'
import type { Parts } from '../runs/parts'
import type { Run } from '../runs/run'
import { keptCheckpoints } from '../runs/run-folder'
import { stepsBetweenCheckpoints } from '../runs/run-options'
import type { RunStatus } from '../runs/track/run-record'
import { defaultTracker, type TrackerName, trackers } from '../runs/track/trackers'
import { onlyWorker, type Worker } from '../runs/worker'
import { type ClusterOptions, memberOf } from './cluster-options'
import { compiler } from './compiler'
import { lookingAhead } from './evaluate'
import { requireGpu } from './gpu'
import { endWithLauncher } from './launcher'
import { openNewRun, openSavedRun, savedRun } from './open-run'
import { natural, naturalOrZero, number } from './option-values'
import { addCommand, addConfigOptions, addEagerOption, configOptions, presetOption, tokenizerOption } from './options'
import { loadParts } from './parts'
import { writeCurves, writeSample } from './run-files'
import { projectRoot } from './setup/paths'
import { endWithoutTerminal, isStopped, stoppedStatus, stopSignal } from './stopping'
import { corpusOf, setUpQuietly, textDescription } from './text-option'
import { noProgress, showProgress, type TrainingProgress } from './training-progress'
import { startWatchdog } from './watchdog'
import { trainWithWorkers } from './workers'

interface TrainOptions {
  readonly preset: string
  readonly text?: string
  readonly tokenizer?: TokenizerName
  readonly out?: string
  readonly sample: number
  readonly eager?: boolean
  /** Steps between checkpoints. */
  readonly checkpointEvery: number
  /** How many of the newest checkpoints stay. */
  readonly keep: number
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
    .addOption(
      presetOption(
        'makemoe: the original; corrected: its bugs fixed; default: their size, better; tiny (half a minute), small, medium, large: lower losses',
      ),
    )
    .option('--resume <folder>', 'resume the run in this folder from its newest checkpoint')
    .option('--checkpoint-every <number>', 'steps between checkpoints', natural, stepsBetweenCheckpoints)
    .option('--keep <number>', 'newest checkpoints to keep, besides the best', natural, keptCheckpoints)
    .option('--parts <file>', `TypeScript file that exports some of ${partNamesOf().join(', ')}`)
    .addOption(
      new Option('--tracker <name>', 'where the run is sent besides its folder (default: mlflow if MLFLOW_TRACKING_URI is set)').choices(
        Object.keys(trackers),
      ),
    )
    .option('--mlflow', 'the same as --tracker mlflow')
    .option('--text <text>', textDescription('the text to learn', "Tiny Shakespeare; with --resume, the run's own"))
    .addOption(tokenizerOption())
    .option('--out <folder>', "the run's folder (default: data/runs/<preset>-<seed>-<time>)")
    .option('--sample <number>', 'characters to write at the end (tokens, where they are words or bytes); 0: none', naturalOrZero, 500)
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
      await setUpQuietly(options.text)
      if (options.workers !== undefined) {
        process.exitCode = await trainWithWorkers(config, options, process.argv.slice(3), stopSignal())
        endWithoutTerminal(process.exitCode)
        return
      }
      if (options.gpu) requireGpu()
      process.exitCode = await train({ ...options, member }, config, given)
      endWithoutTerminal(process.exitCode)
    })
}

/** Steps between reports: a row for each expert of each layer; a local MLflow server takes 0.2 ms of a core for a row. */
const reportInterval = 50

/**
 * Trains, saves and writes a sample.
 * @param given the fields of the config that were given
 * @returns the exit status: 0, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP
 * @throws ConfigError, TextError, CheckpointError before anything is written
 */
async function train(options: TrainOptions, config: Config, given: Partial<Config>): Promise<number> {
  const { member, parallel = 'experts', resume: folder, keep, tracker = options.mlflow ? 'mlflow' : defaultTracker() } = options
  const worker = member ? await joinWorkers(member, parallel, codeVersion(), folder === undefined ? config : undefined) : onlyWorker
  // Of several workers, one that a signal reaches before they have joined just ends; later they stop together, between two steps.
  const signal = stopSignal()
  const { parts, partsFile } = await loadParts(options.parts)
  const router = given.router ?? given.firstRouters
  refuseTwice(parts, { ...given, router, init: given.initialization, tokenizer: options.tokenizer }, options.parts)
  if (!member && (await isStopped(signal))) {
    console.log(`stopped by ${signal.reason} before the training began: there is nothing to save; the same command starts it again`)
    return stoppedStatus(signal)
  }
  const saved = folder === undefined ? undefined : savedRun(folder, given, parts, options.tokenizer)
  const whole = { ...config, ...saved?.config, ...given }
  refuseIdle(given, whole)
  const { steps } = whole
  const progress = worker.leads ? showProgress(steps) : noProgress
  const compile = compiler(options.eager, progress.line)
  const tags = tagsOf(options.preset, saved?.config.seed ?? config.seed)
  const common = { parts, partsFile, tags, tracker, compile, warn: progress.line, reportInterval, keep, worker }
  let run: Run<SparseMoELanguageModel>
  try {
    const corpus = await corpusOf(options, saved && { ...saved.text, sha256: saved.textSha256 })
    run = folder !== undefined && saved ? openSavedRun(folder, saved, corpus, steps, common) : openNewRun(config, corpus, options, common)
  } catch (error) {
    progress.stop()
    throw error
  }
  if (saved) progress.line(`resumes after step ${saved.step}`)
  return await finish(run, options, worker, progress, compile, signal)
}

/** @throws ConfigError if an option names a part that the file brings too */
function refuseTwice(parts: Parts, given: Readonly<Record<string, unknown>>, file: string | undefined): void {
  const name = partNamesOf().find((name) => parts[name] !== undefined && given[name] !== undefined)
  if (name !== undefined) throw new ConfigError(`${name}: got ${given[name]}, and another one from ${file}, expected one of them`)
}

/** @throws ConfigError if an option says how a capacity works, and there is none */
function refuseIdle(given: Partial<Config>, { capacityFactor, evalCapacityFactor }: Config): void {
  const idle = (['minCapacity', 'dropPolicy', 'gatesAfterDrop'] as const).find((name) => given[name] !== undefined)
  if (idle !== undefined && capacityFactor === undefined && evalCapacityFactor === undefined)
    throw new ConfigError(`${idle}: got ${given[idle]} without a capacity, expected --capacity-factor beside it`)
}

/** What a tracker shows of a run besides its config. */
function tagsOf(preset: string, seed: number): Record<string, string> {
  // An installed package lies in somebody else's repository.
  const commit = isInstalled() ? '' : spawnSync('git', ['rev-parse', 'HEAD'], { cwd: projectRoot(), encoding: 'utf8' }).stdout?.trim()
  return { preset, seed: String(seed), device: backend().isUsingGpuDevice ? 'gpu' : 'cpu', ...(commit ? { commit } : {}) }
}

/** Trains until the end or a signal; however it ends, the folder records it. */
async function finish(
  run: Run<SparseMoELanguageModel>,
  options: TrainOptions,
  worker: Worker,
  progress: TrainingProgress,
  compile: Compile,
  signal: AbortSignal,
): Promise<number> {
  const watchdog = options.member && startWatchdog()
  let status: RunStatus = 'FAILED'
  try {
    const finished = await run.train({
      signal,
      checkpointEvery: options.checkpointEvery,
      onMetric: ({ step, train_loss, val_loss }) => {
        if (val_loss === undefined || !worker.leads) return
        progress.line(`step ${step}: train loss ${train_loss?.toFixed(4)}, val loss ${val_loss.toFixed(4)} (${inBits(val_loss)})`)
        writeCurves(run.path, true)
      },
      onProgress: (now) => {
        watchdog?.pulse()
        progress.update(now)
      },
    })
    watchdog?.stop()
    progress.stop()
    if (worker.leads) report(run, finished, options, signal, compile)
    status = finished ? 'FINISHED' : 'KILLED'
    return finished ? 0 : signal.aborted ? stoppedStatus(signal) : 130
  } finally {
    watchdog?.stop()
    progress.stop()
    await run.close(status) // the signals stay caught: the process ends now, and nothing that is written is to be cut off
  }
}

/** Writes sample and curves, and says where they are. */
function report(run: Run<SparseMoELanguageModel>, finished: boolean, options: TrainOptions, signal: AbortSignal, compile: Compile): void {
  const { model } = run.trainer
  if (model.looksAhead()) console.log(lookingAhead)
  else if (finished && options.sample > 0) {
    const config = { noiseMode: model.config.noiseMode, seed: run.trainer.config.seed }
    console.log(`\n${writeSample(run.path, model, run.tokenizer, config, options.sample, compile)}\n`)
  }
  writeCurves(run.path, false)
  const shown = relative(process.cwd(), run.path) || run.path
  const files = [options.parts && ` --parts ${options.parts}`, options.text && ` --text ${options.text}`].filter(Boolean).join('')
  const again = commandLine('train', `--resume ${shown}${files}`)
  if (finished) console.log(`saved in ${shown}`)
  else console.log(`stopped by ${signal.reason} after step ${run.trainer.step}; ${again} resumes it`)
}
