/**
 * Run: a training with a folder that keeps its metrics, its checkpoints and, in the end, its weights. The command `train` is one; in a
 * notebook any language model can have one, lib's, a cell's, or a stranger's with `loss` and `namedParameters`:
 *
 *     const run = startRun('../data/runs/mine', { model, tokenizer, dataset, config, streams })
 *     await run.train(view)              // may be interrupted; this cell again, or one with { steps: 2000 }, trains on
 *     run.save()                         // npm run generate -- --checkpoint data/runs/mine
 *     await run.close()                  // notes the end; training on opens it again
 *     const later = resumeRun('../data/runs/mine', { dataset })           // in another kernel: to the bit
 *     const mine = resumeRun('../data/runs/mine', { dataset, model })     // into a model of a cell's own class
 */

import { createHash } from 'node:crypto'
import { messageOf } from '../base/assertions'
import { CheckpointError, ConfigError, RunError, TrainingError } from '../base/errors'
import { interruptSignal } from '../base/interrupt'
import { compile } from '../engine/graph/compile'
import { createStreams, type Streams } from '../engine/tensor/streams'
import { type Config, type ModelConfig, presets, type TrainConfig, trainFields, validateConfig } from '../makemoe/config'
import { SparseMoELanguageModel } from '../makemoe/model/language-model'
import type { Optimizer } from '../makemoe/optim/optimizer'
import { type Dataset, usualTrainTokens } from '../makemoe/text/dataset'
import { checkTokenizer, codePointCount, decoderOf, partsOf, type Tokenizer } from '../makemoe/text/tokenizer'
import { nameOfTokenizer } from '../makemoe/text/tokenizers'
import type { Compile } from '../makemoe/train/compile'
import { makeOptimizer } from '../makemoe/train/make-optimizer'
import type { HasWeights } from '../makemoe/train/state-dict'
import type { Trainable } from '../makemoe/train/step'
import { Trainer } from '../makemoe/train/trainer'
import type { TrainerOptions } from '../makemoe/train/trainer-options'
import type { TrainingState } from '../makemoe/train/training-state'
import { type CheckpointContents, loadWeights, type TextRecord } from './checkpoint'
import { whyNotLoadable } from './loadable'
import { type Parts, type PartsFile, type PartsRecord, recordOf } from './parts'
import { type Folder, folderOfAnother, loadResumable, loadTrainingState, newestCheckpoint, RunFolder } from './run-folder'
import type { RunStatus } from './track/run-record'
import { noTracker, type Tracker } from './track/tracker'
import { type OpenTrackerOptions, openTracker } from './track/trackers'
import { onlyWorker, type Worker, type WorkerShare } from './worker'

/** A language model that can be trained and saved. */
export type LanguageModel = Trainable & HasWeights

interface CommonOptions extends Omit<OpenTrackerOptions, 'config'> {
  readonly dataset: Dataset
  /** Parts of one's own that the model was made with; the optimizer is made from them too. */
  readonly parts?: Parts
  readonly partsFile?: PartsFile | undefined
  readonly optimizer?: Optimizer
  /** Default: one graph a step; the identity leaves it eager. */
  readonly compile?: Compile
  readonly reportInterval?: number
  /** Where the text came from, if it is not the default one: absolute. */
  readonly textPath?: string | undefined
  /** Of the text's UTF-8 bytes. Default: of what the dataset's token ids decode to, which is another text if the tokenizer loses something. */
  readonly textSha256?: string
  /** Newest checkpoints that stay, besides the best. Default: `keptCheckpoints`. */
  readonly keep?: number
  /** This process, where several train together. Default: `onlyWorker`. */
  readonly worker?: Worker | undefined
  /** Save a model that the commands cannot load: weights for another notebook. */
  readonly weightsOnly?: boolean
}

export interface RunOptions<Model extends LanguageModel = LanguageModel> extends CommonOptions {
  readonly model: Model
  /** What the dataset was encoded with; one that is not lib's is recorded as the part `tokenizer`. */
  readonly tokenizer: Tokenizer
  /** How to train, and, unless the model is lib's, every field of its own config: the commands build the model from it. */
  readonly config: TrainConfig & Partial<Config>
  readonly streams: Streams
}

export interface ResumeOptions<Model extends LanguageModel | undefined = LanguageModel | undefined> extends CommonOptions {
  /** Takes the weights over; default: the model that the checkpoint describes. */
  readonly model?: Model
  /** Those that the model uses, if it is given; default: new ones of the run's seed. */
  readonly streams?: Streams
  /** More steps. */
  readonly steps?: number
}

/** Steps between checkpoints. */
export const stepsBetweenCheckpoints = 500

export interface TrainingOptions extends Pick<TrainerOptions, 'onMetric' | 'onProgress' | 'signal'> {
  /** How many in all; default: the config's. */
  readonly steps?: number
  /** Default: `stepsBetweenCheckpoints`. */
  readonly checkpointEvery?: number
}

/**
 * Starts a run in a new folder.
 * @throws ConfigError, RunError before anything is written; CheckpointError if the commands could not load the model again
 */
export function startRun<Model extends LanguageModel>(path: string, options: RunOptions<Model>): Run<Model> {
  const { model, tokenizer, dataset, streams, parts = {}, weightsOnly = false, worker = onlyWorker } = options
  const config = model instanceof SparseMoELanguageModel ? { ...configOf(model), ...options.config } : options.config
  checkTokenizer(tokenizer)
  const reason = whyNotLoadable(model, config, tokenizer.vocabSize, parts)
  if (reason !== undefined && !weightsOnly)
    throw new CheckpointError(`the commands could not load this model again: ${reason} (weightsOnly: true saves it all the same)`)
  if (options.streams.data.key !== createStreams(config.seed).data.key)
    throw new ConfigError(`streams: got those of another seed, expected createStreams(${config.seed}), which a resumed run draws from`)
  const text = { ...recordOfText(dataset, tokenizer, options.textSha256), path: options.textPath }
  const share = worker.share({ model, dataset, streams, config, facts: factsOf(text, options, 'start') })
  const folder = worker.leads ? RunFolder.create(path) : folderOfAnother(path)
  try {
    return new Run(folder, { model, tokenizer, config, text, parts: recordParts(options, tokenizer), weightsOnly: reason }, config, {
      ...options,
      ...share,
    })
  } catch (error) {
    folder.discard()
    throw error
  }
}

/**
 * Resumes a run from its newest checkpoint.
 * @throws CheckpointError if it is damaged, or of another model, text or parts; RunError if another process has the folder
 */
export function resumeRun<Model extends LanguageModel>(path: string, options: ResumeOptions<Model> & { readonly model: Model }): Run<Model>
export function resumeRun(path: string, options: ResumeOptions<undefined>): Run<SparseMoELanguageModel>
export function resumeRun(path: string, options: ResumeOptions): Run {
  const { model, parts, partsFile } = options
  const training = loadTrainingState(path)
  const loaded = model ? { ...loadWeights(training.path, model, parts), model } : loadResumable(path, parts, partsFile)
  const { dataset, steps, worker = onlyWorker } = options
  const text = recordOfText(dataset, loaded.tokenizer, options.textSha256)
  if (text.sha256 !== training.textSha256) throw new CheckpointError(`${path} was trained on another text than the dataset's`)
  const { trainCharacters } = loaded.text ?? {}
  if (text.trainCharacters !== trainCharacters) {
    const part = (count: number | undefined): string => (count === undefined ? 'the first 90 %' : `the first ${count} characters`)
    throw new CheckpointError(
      `${path} was trained on ${part(trainCharacters)} of its text, the dataset has ${part(text.trainCharacters)} for training`,
    )
  }
  const ofTraining = Object.fromEntries(trainFields.map((name) => [name, loaded.config[name]]))
  const config: TrainConfig = validateConfig({ ...presets.default, ...ofTraining, ...(steps === undefined ? {} : { steps }) })
  const streams = options.streams ?? createStreams(config.seed)
  const facts = factsOf(text, options, `step ${training.state.step}`)
  const whole = { ...loaded.config, ...(steps === undefined ? {} : { steps }) }
  const share = worker.share({ model: loaded.model, dataset, streams, config: whole, facts })
  const folder = worker.leads ? RunFolder.open(path) : folderOfAnother(path)
  return new Run(folder, { ...loaded, config: whole }, config, { ...options, ...share }, training.state)
}

/** What must be the same in all processes that train together, besides the config. */
function factsOf({ sha256, trainCharacters }: TextRecord, { partsFile }: CommonOptions, begin: string): Record<string, string> {
  const text = trainCharacters === undefined ? sha256 : `${sha256}, ${trainCharacters} characters for training`
  return { text, parts: partsFile?.sha256 ?? 'none', begin }
}

/** The text that a dataset was made from, decoded some tokens at a time, and where it is split if not after the usual share. */
function recordOfText({ splits }: Dataset, tokenizer: Tokenizer, sha256?: string): TextRecord {
  const hash = createHash('sha256')
  const decode = decoderOf(tokenizer)
  const characters = { train: 0, val: 0 }
  for (const split of ['train', 'val'] as const)
    for (const part of partsOf(splits[split])) {
      const piece = decode(part)
      hash.update(piece)
      characters[split] += codePointCount(piece)
    }
  const isUsual = splits.train.length === usualTrainTokens(splits.train.length + splits.val.length)
  return { sha256: sha256 ?? hash.digest('hex'), ...(isUsual ? {} : { trainCharacters: characters.train }) }
}

function configOf({ config: { vocabSize: _vocabSize, ...config } }: SparseMoELanguageModel): ModelConfig {
  return config
}

/** An optimizer or a tokenizer of one's own is a part like others. */
function recordParts({ parts = {}, partsFile, optimizer }: CommonOptions, tokenizer: Tokenizer): PartsRecord | undefined {
  const own = { ...(optimizer ? { optimizer } : {}), ...(nameOfTokenizer(tokenizer) === undefined ? { tokenizer } : {}) }
  return recordOf([parts, own], partsFile)
}

/** Which parts are not those that the config names, and where they came from. */
function partsTag(parts: PartsRecord | undefined): Record<string, string> {
  return parts ? { parts: `${parts.names.join(', ')} from ${parts.file ?? 'a notebook'}` } : {}
}

/** A training with a folder; made by `startRun` and `resumeRun`. */
export class Run<Model extends LanguageModel = LanguageModel> {
  readonly trainer: Trainer<Model>
  /** Whether training has come to its last step. */
  finished = false
  private readonly tracker: Tracker
  private training: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly folder: Folder,
    private contents: CheckpointContents & { readonly model: Model },
    config: TrainConfig,
    private readonly options: CommonOptions & WorkerShare,
    state?: TrainingState,
  ) {
    const { dataset, streams, parts, partsFile, tags, reportInterval, team, worker = onlyWorker, compile: compileStep = compile } = options
    const { model } = contents
    const { optimizer = makeOptimizer(parts ?? {}, config, team.trained(model.namedParameters())) } = options
    this.trainer = new Trainer(model, dataset, config, streams, {
      team,
      compile: compileStep,
      optimizer,
      schedule: parts?.schedule,
      warn: worker.leads ? this.warn : () => {},
      ...(reportInterval === undefined ? {} : { reportInterval }),
    })
    if (state) this.trainer.restore(state)
    if (partsFile) folder.keepFile(partsFile.name, partsFile.source)
    const tracking = {
      config: contents.config,
      warn: this.warn,
      tags: { ...tags, ...partsTag(contents.parts) },
      ...(options.tracker ? { tracker: options.tracker } : {}),
    }
    this.tracker = worker.leads ? openTracker(folder.path, tracking) : noTracker
  }

  private readonly warn = (message: string): void => (this.options.warn ?? console.log)(message)

  get tokenizer(): Tokenizer {
    return this.contents.tokenizer
  }

  /** Its folder. */
  get path(): string {
    return this.folder.path
  }

  /**
   * Trains until the last step, and saves. It can be called again: after an interrupt, with more steps, after `close`.
   * @returns true if it got there, false if it was stopped
   * @throws TrainingError if the loss is not finite
   */
  train(options: TrainingOptions = {}): Promise<boolean> {
    // A cell that was interrupted may still be making its last step.
    const { signal = interruptSignal() } = options // of the cell that runs now
    const training = this.training.then(() => this.trainNow({ ...options, signal }))
    this.training = training.catch(() => {})
    return training
  }

  private async trainNow(options: TrainingOptions): Promise<boolean> {
    const { steps = this.trainer.config.steps, checkpointEvery = stepsBetweenCheckpoints, signal, onMetric, onProgress } = options
    this.finished = false
    this.folder.reopen()
    this.trainer.listen({
      signal,
      onMetric: (metric) => {
        this.tracker.log(metric)
        onMetric?.(metric)
      },
      onProgress: (progress) => onProgress?.(progress),
      onStep: (step) => {
        if (step % checkpointEvery === 0 && step < steps) this.saveCheckpoint()
      },
    })
    this.contents = { ...this.contents, config: { ...this.contents.config, steps } }
    try {
      this.finished = await this.trainer.run(steps)
      this.trainer.checkWeights()
    } catch (error) {
      this.rescue(error)
    }
    this.save()
    return this.finished
  }

  /** Saves what can be saved, and throws what went wrong. */
  private rescue(error: unknown): never {
    const { worker = onlyWorker, team } = this.options
    if (error instanceof TrainingError)
      throw new TrainingError(
        `${error.message}; the last good checkpoint is ${newestCheckpoint(this.path) ?? 'none yet'} (a lower learning rate may help, now ${this.trainer.config.learningRate})`,
      )
    try {
      if (!(error instanceof RunError || team.size > 1)) this.saveCheckpoint() // weights and state are sound unless the disk is what failed; a team may be in the middle of a step
    } catch (second) {
      this.warn(`what was learned since the last checkpoint could not be saved: ${messageOf(second)}`)
    }
    throw worker.asError(error)
  }

  private saveCheckpoint(): string {
    this.trainer.checkWeights()
    return this.folder.saveCheckpoint(this.contents, this.trainer.state(), this.contents.text?.sha256 ?? '', this.options.keep)
  }

  /**
   * Saves weights, config, vocabulary, optimizer and random streams: a checkpoint to resume from, and the weights for the other commands.
   * @returns the path of the checkpoint
   * @throws RunError if the disk does not take it, TrainingError if the weights are of no use; earlier checkpoints are untouched
   */
  save(): string {
    this.folder.reopen()
    const path = this.saveCheckpoint()
    this.folder.saveWeights(this.contents)
    return path
  }

  /** Notes how the run ended, and gives the folder back. */
  async close(status: RunStatus = this.finished ? 'FINISHED' : 'KILLED'): Promise<void> {
    await this.training
    await this.tracker.close(status)
    this.folder.close()
  }
}
