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
import { messageOf } from '../base/assertions'
import { ConfigError, RunError, TrainingError } from '../base/errors'
import { interruptSignal } from '../base/interrupt'
import { compile } from '../engine/graph/compile'
import { checkTrainFields, type TrainConfig } from '../makemoe/config'
import type { Tokenizer } from '../makemoe/text/tokenizer'
import { makeOptimizer } from '../makemoe/train/make-optimizer'
import { findNotFinite } from '../makemoe/train/state-dict'
import { Trainer } from '../makemoe/train/trainer'
import { type TrainingState, valuesOf } from '../makemoe/train/training-state'
import type { CheckpointContents } from './checkpoint'
import type { PartsRecord } from './parts'
import { type Folder, newestCheckpoint } from './run-folder'
import { type CommonOptions, type LanguageModel, stepsBetweenCheckpoints, type TrainingOptions } from './run-options'
import type { RunStatus } from './track/run-record'
import { noTracker, type Tracker } from './track/tracker'
import { openTracker } from './track/trackers'
import { onlyWorker, type WorkerShare } from './worker'

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
    const problem = state ? undefined : findNotFinite(valuesOf(this.trainer.optimizer.state()))
    if (problem !== undefined) throw new ConfigError(`optimizer: ${problem}, expected a state of finite numbers, which can be resumed`)
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
   * @throws TrainingError if the loss is not finite; ConfigError if an option cannot be
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
    checkTrainFields({ steps })
    if (!(Number.isInteger(checkpointEvery) && checkpointEvery >= 1))
      throw new ConfigError(`checkpointEvery: got ${checkpointEvery}, expected an integer of at least 1`)
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
