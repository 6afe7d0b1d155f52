/**
 * Writing text: one character at a time from the model's scores, over the last T characters.
 *
 * The window is always full width, padded behind the text; attention is causal, so what stands behind a place cannot change it. (The
 * original grows the window instead; with its noise and capacity on, that is not the same, and `likeMakemoe` does it so.)
 */
import { ConfigError, ShapeError } from '../errors'
import type { Context } from '../nn/context'
import type { Streams } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import type { SparseMoELanguageModel } from './language-model'

/** How characters are drawn. */
export interface SamplingOptions {
  /** The scores are divided by it: below 1 bolder, above 1 wilder; 0 takes the best. Default 1. */
  readonly temperature?: number
  /** Draw only among the best this many. */
  readonly sampleTopK?: number | undefined
  /** Draw only among the fewest best that together have this probability (nucleus; Holtzman et al. 2020). */
  readonly sampleTopP?: number | undefined
}

/**
 * Checks sampling options.
 * @throws ConfigError
 */
export function validateSampling({ temperature = 1, sampleTopK, sampleTopP }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature))) throw new ConfigError(`temperature: got ${temperature}, expected a number >= 0`)
  if (sampleTopK !== undefined && !(Number.isInteger(sampleTopK) && sampleTopK >= 1))
    throw new ConfigError(`top-k: got ${sampleTopK}, expected an integer >= 1`)
  if (sampleTopP !== undefined && !(sampleTopP > 0 && sampleTopP <= 1))
    throw new ConfigError(`top-p: got ${sampleTopP}, expected a probability in (0, 1]`)
}

/**
 * The scores with everything out of reach at -inf.
 * @param logits float32 [S, V]
 * @returns float32 [S, V]
 */
export function filterLogits(logits: Tensor, { temperature = 1, sampleTopK, sampleTopP }: SamplingOptions): Tensor {
  const classes = logits.shape[1] as number
  const keepBest = temperature === 0 ? 1 : Math.min(sampleTopK ?? classes, classes)
  let scores = temperature === 0 ? logits : tf.div(logits, temperature)
  if (keepBest === classes && (sampleTopP === undefined || sampleTopP === 1)) return scores
  const keep = (condition: Tensor): Tensor => tf.where(condition, scores, tf.fill(scores.shape, Number.NEGATIVE_INFINITY))
  if (keepBest < classes) {
    const { values } = tf.topk(scores, keepBest) // best first
    scores = keep(tf.greaterEqual(scores, tf.slice(values, [0, keepBest - 1], [-1, 1])))
  }
  if (sampleTopP !== undefined && sampleTopP < 1) {
    const { values: sorted } = tf.topk(scores, classes)
    // A class stays if the better ones together have less than the wanted probability.
    const better = tf.cumsum(tf.softmax(sorted), 1, true)
    const lowest = tf.min(tf.where(tf.less(better, sampleTopP), sorted, tf.fill(sorted.shape, Number.POSITIVE_INFINITY)), 1, true)
    scores = keep(tf.greaterEqual(scores, lowest))
  }
  return scores
}

/**
 * Draws the next character of each sequence.
 * @param window int32 [S, T]
 * @param last the place of each sequence's last character, int32 [S]
 * @returns int32 [S]
 */
export function nextCharacter(model: SparseMoELanguageModel, window: Tensor, last: Tensor, options: SamplingOptions, ctx: Context): Tensor {
  return tf.tidy(() => {
    const logits = model.forward(window, ctx) // [S, T, V]
    const [S, T, V] = logits.shape as [number, number, number]
    const rows = tf.add(tf.mul(tf.range(0, S, 1, 'int32'), tf.scalar(T, 'int32')), last)
    const lastLogits = tf.gather(tf.reshape(logits, [S * T, V]), rows as never) // [S, V]
    return ctx.streams.sampling.categorical(filterLogits(lastLogits, options))
  })
}

/** The signature of a step of generation, so that a compiled one can stand in. */
export type NextCharacter = (window: Tensor, last: Tensor) => Tensor

export interface GenerateOptions extends SamplingOptions {
  readonly tokens: number
  readonly streams: Streams
  /** As the original: dropout and routing noise on, the window growing, from training mode. */
  readonly likeMakemoe?: boolean
  /** Makes the step: eager by default, or compiled. */
  readonly makeStep?: (step: NextCharacter) => NextCharacter
}

/**
 * Writes on from each prompt, all at once.
 * @param prompts numbers of characters, each at least one; lengths may differ
 * @yields the next character's number for each prompt
 * @throws ConfigError, ShapeError before anything is drawn
 */
export function* generate(
  model: SparseMoELanguageModel,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): Generator<Int32Array> {
  validateSampling(options)
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0))
    throw new ShapeError('generate: got an empty prompt, expected at least one character in each')
  const { blockSize } = model.config
  const ctx: Context = { training: options.likeMakemoe ?? false, streams: options.streams }
  const { makeStep = (step) => step } = options
  const step = makeStep((window, last) => nextCharacter(model, window, last, options, ctx))
  const rows = prompts.map((prompt) => Array.from(prompt).slice(-blockSize))
  for (let i = 0; i < options.tokens; i++) {
    const longest = Math.max(...rows.map((row) => row.length))
    const width = options.likeMakemoe ? longest : blockSize
    const padded = rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(0)])
    const window = tf.tensor2d(padded, [rows.length, width], 'int32')
    const last = tf.tensor1d(
      rows.map((row) => row.length - 1),
      'int32',
    )
    const drawn = step(window, last)
    const characters = drawn.dataSync() as Int32Array
    tf.dispose([window, last, drawn])
    for (const [s, row] of rows.entries()) {
      row.push(characters[s] as number)
      if (row.length > blockSize) row.shift()
    }
    yield characters
  }
}
