/**
 * The training loop: evaluate now and then, take a batch, make a step, tell whoever listens. Everything else is passed in.
 */
import { at } from '../../base/assertions'
import { TrainingError } from '../../base/errors'
import { readsStateOf } from '../../engine/graph/javascript-state'
import type { Streams } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { TrainConfig } from '../config'
import type { StateDict } from '../nn/module'
import { optimizers } from '../optim'
import type { Optimizer } from '../optim/optimizer'
import type { Dataset } from '../text/dataset'
import { estimateLoss, evalGroupSize, inSubgraphs } from './evaluate'
import { type Metric, readNumbers } from './metrics'
import { Pace, type Progress } from './pace'
import { learningRateAt } from './schedule'
import { type Loss, makeTrainStep, type Trainable, type TrainStep } from './step'
import { type StreamCounters, setStreamCounters, streamCounters } from './stream-counters'
import type { Team } from './team'

/** Everything that resuming to the bit needs, besides the model's weights. */
export interface TrainingState {
  /** Steps made so far. */
  readonly step: number
  readonly streams: StreamCounters
  /** The last evaluation's validation loss, in nats; absent before the first. */
  readonly valLoss?: number | undefined
  /** The optimizer's variables. */
  readonly optimizer: StateDict
}

/** Turns a function of tensors into a faster one of the same signature; the identity leaves it eager. */
export type Compile = <Args extends unknown[], R>(fn: (...args: Args) => R) => (...args: Args) => R

export interface TrainerOptions {
  readonly compile?: Compile
  /** Default: the one that the config names, or AdamW. */
  readonly optimizer?: Optimizer
  /** The processes that train the model together; the dataset and the streams are then this one's share of them. */
  readonly team?: Team | undefined
  readonly onMetric?: (metric: Metric) => void
  readonly onProgress?: (progress: Progress) => void
  /** Called after a step, before the evaluation that may follow. */
  readonly onStep?: (step: number) => void
  /** Training stops after the current step. */
  readonly signal?: AbortSignal | undefined
  /** Steps between reports: gradient norm, speed, and what the parts report. Default 10. */
  readonly reportInterval?: number
}

/** Trains a model on a dataset; can be stopped and resumed. */
export class Trainer {
  readonly optimizer: Optimizer
  /** Steps made so far. */
  step = 0
  /** The last evaluation's validation loss. */
  valLoss: number | undefined
  private readonly trainStep: TrainStep
  private readonly reportingStep: TrainStep
  private readonly evalLoss: Loss
  private readonly evalGroup: number
  private readonly team: Team | undefined
  /** Whether the processes of a team have agreed to stop. */
  private stopping = false

  constructor(
    readonly model: Trainable,
    readonly dataset: Dataset,
    public config: TrainConfig,
    readonly streams: Streams,
    private options: TrainerOptions = {},
  ) {
    const { compile = (fn) => fn, team } = options
    this.team = team
    const parameters = model.namedParameters()
    this.optimizer = options.optimizer ?? optimizers[config.optimizer ?? 'adamw'](team?.trained(parameters) ?? parameters, config)
    this.trainStep = compile(makeTrainStep(model, this.optimizer, streams, false, team))
    this.reportingStep = compile(makeTrainStep(model, this.optimizer, streams, true, team))
    const independent = model.rowsAreIndependent?.(false) ?? false
    this.evalGroup = evalGroupSize(independent, config.batchSize * dataset.blockSize)
    const rows = config.batchSize / (team?.size ?? 1)
    const loss = inSubgraphs((x, y) => model.loss(x, y, { training: false, streams, share: team?.share }), independent ? 1 : rows)
    const evaluation = (x: Tensor, y: Tensor): Tensor => {
      team?.begin(`evaluation of ${x.shape}`)
      return tf.tidy(() => (team ? at(Object.values(team.means({ loss: loss(x, y) })), 0) : loss(x, y)))
    }
    this.evalLoss = compile(readsStateOf(evaluation, model))
  }

  /** Changes who is told, and the signal: a cell that trains on brings its own. */
  listen(options: Omit<TrainerOptions, 'compile' | 'optimizer' | 'team'>): void {
    this.options = { ...this.options, ...options }
  }

  /**
   * Trains until a step, evaluating before every `evalInterval`-th one and before the last, as the original does.
   * @param steps how many in all; default `config.steps`
   * @returns true if it got there, false if it was stopped
   * @throws TrainingError if the loss is not finite
   */
  async run(steps = this.config.steps): Promise<boolean> {
    this.config = { ...this.config, steps }
    const { evalInterval, batchSize } = this.config
    const pace = new Pace(this.config, batchSize * this.dataset.blockSize)
    while (this.step < steps) {
      // Signals and servers get their turn, before the first step too: what a cell does before it waits for the first time, an interrupt breaks.
      await new Promise((resolve) => setImmediate(resolve))
      const { onMetric, onProgress, onStep, signal, reportInterval = 10 } = this.options
      if (this.team ? this.stopping : signal?.aborted) return false
      const { step } = this
      if (step % evalInterval === 0 || step === steps - 1) {
        const losses = await pace.evaluation(() => this.evaluate())
        if (!losses) return false
        this.valLoss = losses.val
        onMetric?.({ step, train_loss: losses.train, val_loss: losses.val })
      }
      const reporting = step % reportInterval === 0
      const numbers = pace.step(() => this.trainOnce(reporting))
      const { tokensPerSecond } = pace
      onMetric?.({ step, ...numbers, ...(reporting ? { tokens_per_second: tokensPerSecond } : {}) })
      onProgress?.({ step: this.step, steps, loss: numbers.loss, tokensPerSecond, secondsLeft: pace.secondsLeft(this.step) })
      onStep?.(this.step)
    }
    return true
  }

  /**
   * Makes one step.
   * @param reporting whether the parts report
   * @returns the losses in nats, and what was reported
   * @throws TrainingError if a loss is not finite
   */
  trainOnce(reporting = false): Record<string, number> & { readonly loss: number } {
    const rate = learningRateAt(this.step, { ...this.config, learningRate: this.optimizer.initialRate })
    if (this.config.schedule !== 'constant') tf.tidy(() => this.optimizer.learningRate.assign(tf.scalar(rate)))
    const { x, y } = this.dataset.randomBatch('train', this.config.batchSize, this.streams.data)
    this.team?.requestStop(this.options.signal?.aborted ?? false)
    const { stop = 0, ...numbers } = readNumbers((reporting ? this.reportingStep : this.trainStep)(x, y))
    this.stopping = stop > 0
    tf.dispose([x, y])
    const { loss = Number.NaN, objective = loss } = numbers
    if (!Number.isFinite(objective)) throw notFinite(this.step, numbers)
    this.step++
    this.team?.compareWeights(this.step)
    return { ...numbers, loss, ...(reporting ? { learning_rate: rate } : {}) }
  }

  /**
   * The mean loss over random batches of both splits, in nats.
   * @returns undefined if it was stopped; the streams are then as before
   */
  async evaluate(): Promise<{ train: number; val: number } | undefined> {
    const { batchSize, evalIters: iterations } = this.config
    const before = streamCounters(this.streams)
    const { evalGroup: together, streams, options } = this
    const result = await estimateLoss(this.evalLoss, this.dataset, {
      batchSize,
      iterations,
      together,
      stream: streams.evaluation,
      signal: this.team ? undefined : options.signal, // processes that wait for each other must stop together
    })
    if (!result) setStreamCounters(streams, before)
    return result
  }

  /** What resuming from here needs, besides the weights; in a team it brings all weights into the model too. */
  state(): TrainingState {
    const optimizer: StateDict = new Map()
    for (const [name, variable] of this.optimizer.state())
      optimizer.set(name, { shape: variable.shape, values: Float32Array.from(variable.dataSync()) })
    const whole = this.team?.gather(optimizer) ?? optimizer
    return { step: this.step, streams: streamCounters(this.streams), valLoss: this.valLoss, optimizer: whole }
  }

  /**
   * Goes back to a saved state; the weights are restored by whoever loads the model.
   * @returns names of saved random streams that there are no longer
   * @throws CheckpointError if it is of another model or optimizer
   */
  restore({ step, streams, valLoss, optimizer }: TrainingState): string[] {
    this.optimizer.restore(this.team?.own(optimizer) ?? optimizer)
    this.step = step
    this.valLoss = valLoss
    return setStreamCounters(this.streams, streams)
  }

  /** Frees the optimizer's variables and the compiled steps; the model stays. */
  dispose(): void {
    this.optimizer.dispose()
    for (const compiled of [this.trainStep, this.reportingStep, this.evalLoss])
      if ('dispose' in compiled && typeof compiled.dispose === 'function') compiled.dispose()
  }
}

/** Says which number is not finite first, in the order of the forward pass, if the step reported. */
function notFinite(step: number, numbers: Readonly<Record<string, number>>): TrainingError {
  const isLoss = (name: string): boolean => /^(loss|objective)(\/|$)/.test(name) || name === 'gradient_norm'
  const first = Object.entries(numbers).find(([name, value]) => !isLoss(name) && !Number.isFinite(value))
  const loss = Object.entries(numbers).find(([name, value]) => isLoss(name) && !Number.isFinite(value)) ?? ['loss', Number.NaN]
  return new TrainingError(`${loss[0]} of step ${step} is ${loss[1]}${first ? `; the first report that is not finite is ${first[0]}` : ''}`)
}
