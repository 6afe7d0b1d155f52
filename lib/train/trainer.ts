/**
 * The training loop: evaluate now and then, take a batch, make a step, tell whoever listens. Everything else is passed in.
 */
import type { TrainConfig } from '../config'
import type { SparseMoELanguageModel } from '../model/language-model'
import type { Streams } from '../tensor/streams'
import { tf } from '../tensor/tf'
import type { Dataset } from '../text/dataset'
import { AdamW } from './adamw'
import { estimateLoss } from './evaluate'
import { type Loss, makeTrainStep } from './step'

/** One line of the metrics: a step's loss, or an evaluation. Losses are in nats. */
export type Metric =
  | { readonly step: number; readonly loss: number }
  | { readonly step: number; readonly train_loss: number; readonly val_loss: number }

/** Where training stands. */
export interface Progress {
  readonly step: number
  readonly steps: number
  /** The last batch's loss, in nats. */
  readonly loss: number
  /** Characters trained on per second, evaluation not counted. */
  readonly tokensPerSecond: number
  readonly secondsLeft: number
}

/** Turns a function of tensors into a faster one of the same signature; the identity leaves it eager. */
export type Compile = (fn: Loss) => Loss

export interface TrainerOptions {
  readonly compile?: Compile
  readonly onMetric?: (metric: Metric) => void
  readonly onProgress?: (progress: Progress) => void
  /** Training stops after the current step. */
  readonly signal?: AbortSignal
}

/** Trains a model on a dataset; can be told to stop, and to go on. */
export class Trainer {
  readonly optimizer: AdamW
  private readonly trainStep: Loss
  private readonly evalLoss: Loss
  /** Steps made so far. */
  step = 0

  constructor(
    readonly model: SparseMoELanguageModel,
    readonly dataset: Dataset,
    readonly config: TrainConfig,
    readonly streams: Streams,
    private readonly options: TrainerOptions = {},
  ) {
    const { compile = (fn) => fn } = options
    const parameters = model.parameters()
    const { learningRate, weightDecay } = config
    this.optimizer = new AdamW(parameters, { learningRate, weightDecay })
    const loss: Loss = (x, y) => model.loss(x, y, { training: true, streams })
    this.trainStep = compile(makeTrainStep(loss, parameters, this.optimizer))
    this.evalLoss = compile((x, y) => tf.tidy(() => model.loss(x, y, { training: false, streams })))
  }

  /** The mean loss over random batches of both splits, in nats. */
  evaluate(): { train: number; val: number } {
    const { batchSize, evalIters } = this.config
    return estimateLoss(this.evalLoss, this.dataset, { batchSize, iterations: evalIters, stream: this.streams.evaluation })
  }

  /** Makes one step and returns the batch's loss, in nats. */
  trainOnce(): number {
    const { x, y } = this.dataset.randomBatch('train', this.config.batchSize, this.streams.data)
    const value = this.trainStep(x, y)
    const loss = value.dataSync()[0] as number
    tf.dispose([x, y, value])
    this.step++
    return loss
  }

  /**
   * Trains until `config.steps`, evaluating before every `evalInterval`-th step and before the last, as the original does.
   * @returns true if it got there, false if it was stopped
   */
  async run(): Promise<boolean> {
    const { steps, evalInterval, batchSize } = this.config
    const { onMetric, onProgress, signal } = this.options
    const first = this.step
    let trainingMs = 0
    while (this.step < steps) {
      const { step } = this
      if (step % evalInterval === 0 || step === steps - 1) {
        const { train, val } = this.evaluate()
        onMetric?.({ step, train_loss: train, val_loss: val })
      }
      const start = performance.now()
      const loss = this.trainOnce()
      trainingMs += performance.now() - start
      onMetric?.({ step, loss })
      const msPerStep = trainingMs / (this.step - first)
      const tokensPerSecond = (1000 * batchSize * this.dataset.blockSize) / msPerStep
      onProgress?.({ step: this.step, steps, loss, tokensPerSecond, secondsLeft: ((steps - this.step) * msPerStep) / 1000 })
      await new Promise((resolve) => setImmediate(resolve)) // signals and servers get their turn
      if (signal?.aborted) return false
    }
    return true
  }
}
