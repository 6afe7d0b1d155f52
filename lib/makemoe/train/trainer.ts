/** The training loop: evaluate from time to time, take a batch, make a step (loss, gradients, update), report. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { TrainingError } from '../../base/errors'
import type { Streams } from '../../engine/tensor/streams'
import { tf } from '../../engine/tensor/tf'
import { checkTrainFields, type TrainConfig, withDefaults } from '../config'
import type { Optimizer } from '../optim/optimizer'
import type { Dataset } from '../text/dataset'
import { type BatchStep, makeBatchStep } from './batch-step'
import { checkWeights } from './check-weights'
import { eager } from './compile'
import { Evaluation } from './evaluate'
import { makeOptimizer } from './make-optimizer'
import { notFinite } from './metrics'
import { StepTimer } from './pace'
import { type Schedule, schedules } from './schedule'
import { setRate } from './set-rate'
import type { Trainable } from './step'
import { alone, type Team } from './team'
import type { TrainerListeners, TrainerOptions } from './trainer-options'
import { setStreamCounters, streamCounters, type TrainingState, valuesOf } from './training-state'
import { onceNamed } from './unreached'

/** Trains a model on a dataset; can be stopped and resumed. */
export class Trainer<Model extends Trainable = Trainable> {
  readonly optimizer: Optimizer
  /** Steps made so far. */
  step = 0
  /** The last evaluation's validation loss. */
  valLoss: number | undefined
  private readonly team: Team
  /** The last step whose weights were found good. */
  private checkedStep = 0
  private readonly schedule: Schedule
  private readonly batchStep: BatchStep
  private readonly evaluation: Evaluation

  /** @throws ConfigError if a field of the config cannot be */
  constructor(
    readonly model: Model,
    readonly dataset: Dataset,
    public config: TrainConfig,
    readonly streams: Streams,
    private options: TrainerOptions = {},
  ) {
    checkTrainFields(config)
    const { compile = eager, team = alone, optimizer } = options
    const { batchSize, schedule, accumulate, clipNorm } = withDefaults(config)
    this.team = team
    this.schedule = options.schedule ?? schedules[schedule]
    this.optimizer = optimizer ?? makeOptimizer({}, config, team.trained(model.namedParameters()))
    const onUnreached = onceNamed((message) => (this.options.warn ?? console.log)(message))
    const sizes = { batchSize, blockSize: dataset.blockSize, accumulate, clipNorm }
    this.batchStep = makeBatchStep(model, this.optimizer, streams, compile, { ...sizes, team, onUnreached })
    this.evaluation = new Evaluation(model, dataset, streams, config, compile, team)
  }

  /** Changes the listeners and the signal: a cell that trains on brings its own. */
  listen(options: TrainerListeners): void {
    this.options = { ...this.options, ...options }
  }

  /**
   * Trains until a step, evaluating before every `evalInterval`-th one and before the last, as the original does.
   * @param steps how many in all; default `config.steps`
   * @returns true if it got there, false if it was stopped
   * @throws TrainingError if the loss is not finite; ConfigError if a field of the config cannot be
   */
  async run(steps = this.config.steps): Promise<boolean> {
    checkTrainFields({ ...this.config, steps })
    this.config = { ...this.config, steps }
    const timer = new StepTimer(this.config, this.config.batchSize * this.dataset.blockSize)
    while (this.step < steps) {
      await nextTurn() // of signals and servers, before the first step too: what a cell does before it first waits, an interrupt breaks
      const { onMetric, onProgress, onStep, signal, reportInterval = 10 } = this.options
      if (this.team.stops(signal?.aborted ?? false)) return false
      const { step } = this
      if (step % this.config.evalInterval === 0 || step === steps - 1) {
        const losses = await timer.evaluation(() => this.evaluate())
        if (!losses) return false
        this.valLoss = losses.val
        onMetric?.({ step, train_loss: losses.train, val_loss: losses.val })
      }
      const reporting = step % reportInterval === 0
      const numbers = timer.step(() => this.trainOnce(reporting))
      const { tokensPerSecond } = timer
      onMetric?.({ step, ...numbers, ...(reporting ? { tokens_per_second: tokensPerSecond } : {}) })
      onProgress?.({ step: this.step, steps, loss: numbers.loss, tokensPerSecond, secondsLeft: timer.secondsLeft(this.step) })
      onStep?.(this.step)
    }
    return true
  }

  /**
   * Makes one step: a batch, its loss, the gradients, the update.
   * @param reporting whether the parts report
   * @returns the losses in nats, and what was reported
   * @throws TrainingError if a loss is not finite; ConfigError if the schedule gives no learning rate
   */
  trainOnce(reporting = false): Record<string, number> & { readonly loss: number } {
    const rate = setRate(this.optimizer, this.schedule, this.step, this.config)
    const batch = this.dataset.randomBatch('train', this.config.batchSize, this.streams.data)
    this.team.requestStop(this.options.signal?.aborted ?? false)
    const numbers = this.team.agreed(this.batchStep.run(batch, reporting))
    tf.dispose([batch.x, batch.y])
    const { loss = Number.NaN, objective = loss } = numbers
    if (!Number.isFinite(objective)) throw new TrainingError(notFinite(this.step, numbers))
    this.step++
    this.team.compareWeights(this.step)
    return { ...numbers, loss, ...(reporting ? { learning_rate: rate } : {}) }
  }

  /** The mean loss over random batches of both splits, in nats; undefined if it was stopped, and the streams are then as before. */
  evaluate(): Promise<{ train: number; val: number } | undefined> {
    return this.evaluation.run(this.config, this.options.signal)
  }

  /**
   * Checks the weights as the last update left them; what a step computes is the loss before its update. Nothing is drawn from the streams.
   * @throws TrainingError that names the step and a weight, if one is not finite or the loss of some validation windows is not
   */
  checkWeights(): void {
    if (this.step === this.checkedStep) return
    checkWeights(this.model, this.step, () => this.evaluation.fixedLoss(this.config))
    this.checkedStep = this.step
  }

  /** What resuming from here needs, besides the weights; in a team it brings all weights into the model too. */
  state(): TrainingState {
    const optimizer = this.team.gather(valuesOf(this.optimizer.state()))
    return { step: this.step, streams: streamCounters(this.streams), valLoss: this.valLoss, optimizer }
  }

  /**
   * Goes back to a saved state; the weights are restored by whoever loads the model.
   * @throws CheckpointError if it is of another model or optimizer
   */
  restore({ step, streams, valLoss, optimizer }: TrainingState): void {
    this.optimizer.restore(this.team.own(optimizer))
    this.step = step
    this.checkedStep = step // whoever loads a checkpoint checks it
    this.valLoss = valLoss
    setStreamCounters(this.streams, streams)
  }

  /** Frees the optimizer's variables and the compiled steps; the model stays. */
  dispose(): void {
    this.optimizer.dispose()
    this.batchStep.dispose()
    this.evaluation.dispose()
  }
}
