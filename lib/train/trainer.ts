/**
 * The training loop: evaluate now and then, take a batch, make a step, tell whoever listens. Everything else is passed in.
 */
import type { TrainConfig } from '../config'
import { CheckpointError, TrainingError } from '../errors'
import { type StateDict, takeState } from '../nn/module'
import { type StreamName, type Streams, streamNames } from '../tensor/streams'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import type { Dataset } from '../text/dataset'
import { AdamW } from './adamw'
import { batchesAtOnce, estimateLoss, inBranches } from './evaluate'
import { learningRateAt } from './schedule'
import { type Loss, makeReportingStep, type ReportingStep, type StepReport, type Trainable } from './step'

/** A line of the metrics: numbers by name, and the step they belong to. Losses are in nats. */
export interface Metric {
  readonly step: number
  /** The batch's loss; every step. */
  readonly loss?: number
  /** An evaluation. */
  readonly train_loss?: number
  readonly val_loss?: number
  /** With `loss`, at every `reportInterval`-th step: learning_rate, gradient_norm, tokens_per_second, load_<layer>_<expert>, dropped_<layer>. */
  readonly [name: string]: number | undefined
}

/** Where training stands. */
export interface Progress {
  readonly step: number
  readonly steps: number
  /** The last batch's loss, in nats. */
  readonly loss: number
  /** Characters trained on per second, evaluation not counted. */
  readonly tokensPerSecond: number
  /** With the evaluations to come. */
  readonly secondsLeft: number
}

/** Everything that training needs to go on to the bit, besides the model's weights. */
export interface TrainingState {
  /** Steps made so far. */
  readonly step: number
  /** Draws from each stream so far. */
  readonly streams: Readonly<Record<StreamName, number>>
  /** The last evaluation's validation loss, in nats; absent before the first. */
  readonly valLoss?: number | undefined
  /** The optimizer's moments, by parameter. */
  readonly optimizer: StateDict
}

/** Turns a function of tensors into a faster one of the same signature; the identity leaves it eager. */
export type Compile = <Args extends unknown[], R>(fn: (...args: Args) => R) => (...args: Args) => R

export interface TrainerOptions {
  readonly compile?: Compile
  readonly onMetric?: (metric: Metric) => void
  readonly onProgress?: (progress: Progress) => void
  /** Called after a step, before the evaluation that may follow. */
  readonly onStep?: (step: number) => void
  /** Training stops after the current step. */
  readonly signal?: AbortSignal | undefined
  /** Steps between reports of gradient norm, load and speed. Default 10. */
  readonly reportInterval?: number
}

/** Trains a model on a dataset; can be told to stop, and to go on. */
export class Trainer {
  readonly optimizer: AdamW
  private readonly trainStep: ReportingStep
  private readonly evalLoss: Loss
  /** Steps made so far. */
  step = 0
  /** The last evaluation's validation loss. */
  valLoss: number | undefined
  private readonly parameters: readonly (readonly [name: string, parameter: Variable])[]

  constructor(
    readonly model: Trainable,
    readonly dataset: Dataset,
    readonly config: TrainConfig & { readonly capacityFactor?: number | undefined },
    readonly streams: Streams,
    private options: TrainerOptions = {},
  ) {
    const { compile = (fn) => fn } = options
    this.parameters = model.namedParameters()
    const { learningRate, weightDecay } = config
    this.optimizer = new AdamW(
      this.parameters.map(([, parameter]) => parameter),
      { learningRate, weightDecay },
    )
    this.trainStep = compile(makeReportingStep(model, this.optimizer, streams))
    const loss = inBranches(
      (x, y) => model.loss(x, y, { training: false, streams }),
      config.capacityFactor === undefined ? 1 : config.batchSize,
    )
    this.evalLoss = compile(function evaluation(x: Tensor, y: Tensor) {
      return tf.tidy(() => loss(x, y))
    })
  }

  /** Changes who is told, and the signal: a cell that trains on brings its own. */
  listen(options: Omit<TrainerOptions, 'compile'>): void {
    this.options = { ...this.options, ...options }
  }

  /**
   * The mean loss over random batches of both splits, in nats.
   * @returns undefined if it was stopped; the streams are then as before
   */
  async evaluate(): Promise<{ train: number; val: number } | undefined> {
    const { batchSize, evalIters, capacityFactor } = this.config
    const together = batchesAtOnce(capacityFactor !== undefined)
    const before = this.streamCounters()
    const options = { batchSize, iterations: evalIters, together, stream: this.streams.evaluation, signal: this.options.signal }
    const result = await estimateLoss(this.evalLoss, this.dataset, options)
    if (!result) this.setStreamCounters(before)
    return result
  }

  /**
   * Makes one step.
   * @returns the batch's loss, in nats, and the rest of the step's report, to be disposed of
   * @throws TrainingError if the loss is not finite
   */
  private makeStep(): { loss: number; report: StepReport } {
    const rate = learningRateAt(this.step, this.config)
    if (this.config.schedule !== 'constant') tf.tidy(() => this.optimizer.learningRate.assign(tf.scalar(rate)))
    const { x, y } = this.dataset.randomBatch('train', this.config.batchSize, this.streams.data)
    const report = this.trainStep(x, y)
    tf.dispose([x, y])
    const loss = report.loss.dataSync()[0] as number
    if (!Number.isFinite(loss)) throw new TrainingError(`the loss of step ${this.step} is ${loss}${whereNotFinite(report)}`)
    this.step++
    return { loss, report }
  }

  /** Makes one step and returns the batch's loss, in nats. */
  trainOnce(): number {
    const { loss, report } = this.makeStep()
    disposeReport(report)
    return loss
  }

  /**
   * Trains until `config.steps`, evaluating before every `evalInterval`-th step and before the last, as the original does.
   * @returns true if it got there, false if it was stopped
   * @throws TrainingError if the loss is not finite
   */
  async run(): Promise<boolean> {
    const { steps, evalInterval, batchSize } = this.config
    const first = this.step
    let trainingMs = 0
    let evaluationMs = 0
    let evaluations = 0
    while (this.step < steps) {
      const { onMetric, onProgress, onStep, signal, reportInterval = 10 } = this.options
      if (signal?.aborted) return false
      const { step } = this
      if (step % evalInterval === 0 || step === steps - 1) {
        const start = performance.now()
        const losses = await this.evaluate()
        if (!losses) return false
        evaluationMs += performance.now() - start
        evaluations++
        this.valLoss = losses.val
        onMetric?.({ step, train_loss: losses.train, val_loss: losses.val })
      }
      const start = performance.now()
      const { loss, report } = this.makeStep()
      const ms = performance.now() - start
      // The first step traces; it says nothing of the others.
      trainingMs = this.step - first <= 2 ? ms : trainingMs + ms
      const msPerStep = trainingMs / Math.max(1, this.step - first - 1)
      const tokensPerSecond = (1000 * batchSize * this.dataset.blockSize) / msPerStep
      const detail = step % reportInterval === 0 ? details(report, learningRateAt(step, this.config), tokensPerSecond) : {}
      disposeReport(report)
      onMetric?.({ step, loss, ...detail })
      const evaluationsLeft = Math.ceil((steps - this.step) / evalInterval)
      const msLeft = (steps - this.step) * msPerStep + evaluationsLeft * (evaluationMs / Math.max(1, evaluations))
      onProgress?.({ step: this.step, steps, loss, tokensPerSecond, secondsLeft: msLeft / 1000 })
      onStep?.(this.step)
      await new Promise((resolve) => setImmediate(resolve)) // signals and servers get their turn
    }
    return true
  }

  private streamCounters(): Record<StreamName, number> {
    return Object.fromEntries(streamNames.map((name) => [name, this.streams[name].counter.dataSync()[0]])) as Record<StreamName, number>
  }

  private setStreamCounters(counters: Readonly<Record<StreamName, number>>): void {
    tf.tidy(() => {
      for (const name of streamNames) this.streams[name].counter.assign(tf.scalar(counters[name], 'int32'))
    })
  }

  /** What is needed to go on from here, besides the weights. */
  state(): TrainingState {
    const optimizer: StateDict = new Map()
    const save = (name: string, variable: Variable): void => {
      optimizer.set(name, { shape: variable.shape, values: Float32Array.from(variable.dataSync()) })
    }
    for (const [name, variable] of this.optimizerVariables()) save(name, variable)
    return { step: this.step, streams: this.streamCounters(), valLoss: this.valLoss, optimizer }
  }

  /**
   * Goes back to a saved state; the weights are the model's affair.
   * @throws CheckpointError if it is of another model
   */
  restore({ step, streams, valLoss, optimizer }: TrainingState): void {
    const state = new Map(optimizer)
    const values = this.optimizerVariables().map(([name, variable]) => [variable, takeState(state, name, variable.shape).values] as const)
    const [extra] = state.keys()
    if (extra !== undefined) throw new CheckpointError(`the optimizer's state has ${extra}, which this model has no place for`)
    tf.tidy(() => {
      for (const [variable, numbers] of values) variable.assign(tf.tensor(numbers, variable.shape))
    })
    this.setStreamCounters(streams)
    this.step = step
    this.valLoss = valLoss
  }

  private optimizerVariables(): [name: string, variable: Variable][] {
    const { moments, beta1Power, beta2Power } = this.optimizer
    const named = this.parameters.flatMap(([name], i): [string, Variable][] => {
      const { m, v } = moments[i] as { m: Variable; v: Variable }
      return [
        [`m.${name}`, m],
        [`v.${name}`, v],
      ]
    })
    return [['beta1_power', beta1Power], ['beta2_power', beta2Power], ...named]
  }
}

/** A report as numbers by name. */
function details({ gradientNorm, load, dropped }: StepReport, learningRate: number, tokensPerSecond: number): Record<string, number> {
  const numbers: Record<string, number> = {
    learning_rate: learningRate,
    gradient_norm: gradientNorm.dataSync()[0] as number,
    tokens_per_second: tokensPerSecond,
  }
  const experts = load?.shape[1] ?? 1
  for (const [i, value] of (load?.dataSync() ?? []).entries()) numbers[`load_${Math.floor(i / experts)}_${i % experts}`] = value
  for (const [layer, value] of (dropped?.dataSync() ?? []).entries()) numbers[`dropped_${layer}`] = value
  return numbers
}

/** The first layer whose routing is not finite, in words. */
function whereNotFinite({ entropy }: StepReport): string {
  if (!entropy) return ''
  const layer = Array.from(entropy.dataSync()).findIndex((value) => !Number.isFinite(value))
  return layer < 0 ? '; all routers are finite, so look at the last layer and the head' : `; the first layer that is not finite is ${layer}`
}

function disposeReport(report: StepReport): void {
  tf.dispose(Object.values(report).filter((tensor) => tensor !== undefined) as Tensor[])
}
