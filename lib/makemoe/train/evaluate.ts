/**
 * Evaluation: the original's estimate (mean loss over random batches), and the exact mean over a whole split.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { at } from '../../base/assertions'
import { readsStateOf } from '../../engine/graph/javascript-state'
import { crossEntropyRows } from '../../engine/tensor/cross-entropy'
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { TrainConfig } from '../config'
import type { SparseMoELanguageModel } from '../model/language-model'
import type { MixtureContext } from '../moe/context'
import { explainErrors } from '../nn/error-path'
import type { Dataset, Split } from '../text/dataset'
import { characterCountOf, type Tokenizer } from '../text/tokenizer'
import type { Compile } from './compile'
import type { Loss, Trainable } from './step'
import type { Team } from './team'
import { setStreamCounters, streamCounters } from './training-state'

export interface EstimateOptions {
  /** Sequences in a batch. */
  readonly batchSize: number
  /** Batches of each split. */
  readonly iterations: number
  /** Batches that may be computed at a time, where it makes no difference to the loss. Default 1. */
  readonly together?: number
  readonly stream: RandomStream
  readonly signal?: AbortSignal | undefined
}

/** How many of `iterations` batches are taken at a time: equal groups, so that the mean of their means is the mean of all. */
export const equalGroup = (together: number, iterations: number): number =>
  Array.from({ length: together }, (_, i) => together - i).find((size) => iterations % size === 0) ?? 1

/**
 * The mean loss over `iterations` random batches of each split, in nats.
 * @returns undefined if the signal stopped it
 */
export async function estimateLoss(
  loss: Loss,
  dataset: Dataset,
  { batchSize, iterations, together = 1, stream, signal }: EstimateOptions,
): Promise<Record<Split, number> | undefined> {
  const group = equalGroup(together, iterations)
  const means = { train: 0, val: 0 }
  for (const split of ['train', 'val'] as const) {
    let sum = 0
    for (let i = 0; i < iterations; i += group) {
      const { x, y } = dataset.randomBatch(split, batchSize * group, stream)
      const value = loss(x, y)
      sum += at(value.dataSync(), 0) * group
      tf.dispose([x, y, value])
      await nextTurn() // of signals
      if (signal?.aborted) return undefined
    }
    means[split] = sum / iterations
  }
  return means
}

/** Subgraphs that one evaluation is split into. */
const subgraphs = 2

/**
 * The same mean loss from two independent subgraphs, which keep two cores busy where one forward pass alone has stretches with too little
 * to share out.
 * @param unit sequences that stay together: a whole batch if its rows depend on each other, as they do where capacity counts
 */
export function inSubgraphs(loss: Loss, unit: number): Loss {
  return (x, y) => {
    if ((at(x.shape, 0) / unit) % subgraphs !== 0) return loss(x, y)
    const targets = tf.split(y, subgraphs)
    return tf.mean(tf.stack(tf.split(x, subgraphs).map((part, i) => loss(part, at(targets, i)))))
  }
}

/** Above this many tokens one batch already saturates the cores; larger groups only miss the cache. */
const tokensThatSuffice = 2048

/**
 * How many batches an evaluation best takes at a time; the batches of a subgraph become one if their rows are independent.
 * @param tokens in a batch
 */
export function evalGroupSize(independent: boolean, tokens: number): number {
  if (!independent) return subgraphs
  return tokens > tokensThatSuffice ? 1 : 4 * subgraphs
}

/** The evaluations of one training: the loss is compiled once. */
export class Evaluation {
  private readonly loss: Loss & { readonly dispose?: () => void }
  /** Batches that are computed at a time. */
  private readonly together: number

  constructor(
    model: Trainable,
    private readonly dataset: Dataset,
    private readonly streams: Streams,
    { batchSize }: TrainConfig,
    compile: Compile,
    private readonly team: Team,
  ) {
    const independent = model.rowsAreIndependent?.(false) ?? false
    this.together = evalGroupSize(independent, batchSize * dataset.blockSize)
    const ctx: MixtureContext = { training: false, streams, share: team.share }
    const loss = inSubgraphs((x, y) => explainErrors(model, () => model.loss(x, y, ctx)), independent ? 1 : batchSize / team.size)
    const evaluation = (x: Tensor, y: Tensor): Tensor => {
      team.begin(`evaluation of ${x.shape}`)
      return tf.tidy(() => at(Object.values(team.means({ loss: loss(x, y) })), 0))
    }
    this.loss = compile(readsStateOf(evaluation, model))
  }

  /**
   * The mean loss over random batches of both splits, in nats.
   * @returns undefined if it was stopped; the streams are then as before
   */
  async run(
    { batchSize, evalIters: iterations }: TrainConfig,
    signal: AbortSignal | undefined,
  ): Promise<Record<Split, number> | undefined> {
    const before = streamCounters(this.streams)
    const { together, streams, team } = this
    const result = await estimateLoss(this.loss, this.dataset, {
      batchSize,
      iterations,
      together,
      stream: streams.evaluation,
      signal: team.size > 1 ? undefined : signal, // processes that wait for each other stop together
    })
    if (!result) setStreamCounters(streams, before)
    return result
  }

  /** The loss of fixed validation windows, in the shape that `run` has traced; 0 in a team, whose processes would have to compute it together. */
  fixedLoss({ batchSize, evalIters }: TrainConfig): number {
    if (this.team.size > 1) return 0
    const before = streamCounters(this.streams)
    const offsets = this.dataset.splits.val.length - this.dataset.blockSize
    const rows = batchSize * equalGroup(this.together, evalIters)
    const { x, y } = this.dataset.batchAt(
      'val',
      Array.from({ length: rows }, (_, i) => i % offsets),
    )
    const value = this.loss(x, y)
    const loss = at(value.dataSync(), 0)
    tf.dispose([x, y, value])
    setStreamCounters(this.streams, before)
    return loss
  }

  dispose(): void {
    this.loss.dispose?.()
  }
}

/** The sum of the cross-entropies of all tokens of a batch, in nats; a scalar. To be compiled, or not. */
export function makeLossSum(model: Pick<SparseMoELanguageModel, 'forward'>, ctx: MixtureContext): Loss {
  return (x, y) =>
    tf.tidy(() => {
      const logits: Tensor = model.forward(x, ctx)
      return tf.sum(crossEntropyRows(tf.reshape(logits, [x.size, -1]), tf.reshape(y, [-1])))
    })
}

/** What the exact evaluation found. */
export interface ExactLoss {
  /** Mean cross-entropy in nats per token. */
  readonly nats: number
  /** The same in bits per character. */
  readonly bitsPerCharacter: number
  /** Characters that were predicted; without a tokenizer, each token counts as one. */
  readonly characters: number
  /** Tokens that were predicted. */
  readonly tokens: number
}

export interface ExactLossOptions {
  readonly split?: Split
  readonly batchSize?: number
  /** Says how many characters the tokens stand for. */
  readonly tokenizer?: Tokenizer
  readonly onProgress?: (share: number) => void
}

/**
 * The exact mean cross-entropy over consecutive windows of a split.
 * @param lossSum from `makeLossSum`
 * @param onProgress called after each batch with the share that is done
 * @returns the mean in nats per token, and in bits per character, which the tokenizer counts (without one, each token is a character)
 */
export function exactLoss(
  lossSum: Loss,
  dataset: Dataset,
  { split = 'val', batchSize, tokenizer, onProgress }: ExactLossOptions = {},
): ExactLoss {
  let sum = 0
  let tokens = 0
  for (const { x, y } of dataset.windows(split, batchSize)) {
    const value = lossSum(x, y)
    sum += at(value.dataSync(), 0)
    tokens += x.size
    tf.dispose([x, y, value])
    onProgress?.(tokens / dataset.splits[split].length)
  }
  const nats = sum / tokens
  const characters = tokenizer ? characterCountOf(tokenizer, dataset.splits[split].subarray(1, 1 + tokens)) : tokens
  return { nats, bitsPerCharacter: (nats * (tokens / characters)) / Math.LN2, characters, tokens }
}
