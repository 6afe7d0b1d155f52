/**
 * Writing text: one character at a time from the model's scores, over the last T characters.
 *
 * While the text is shorter than the window, a character costs a forward pass of one position (KeyValueCache), where the model allows it.
 * Otherwise the window is computed in full width, padded behind the text; attention is causal, so what stands behind a position cannot change
 * it. (The original grows the window instead; with its noise and capacity on, that is not the same, and `likeMakemoe` does it so.)
 */
import { at } from '../../base/assertions'
import { ConfigError, ShapeError, TrainingError } from '../../base/errors'
import { shape3 } from '../../engine/tensor/shape'
import type { Streams } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { SparseMoELanguageModel } from './language-model'

/** How characters are drawn. */
export interface SamplingOptions {
  /** Divides the logits: below 1 more greedy, above 1 more random, 0 greedy. Default 1. */
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

/** A positive number that float32 holds with room to spare on both sides; below 1e-38 it would be 0 in TensorFlow. */
const smallest = 1e-30

/** 0 stands for greedy sampling and leaves the logits. At small temperatures only differences to the best logit fit into float32. */
function divideByTemperature(logits: Tensor, temperature: number): Tensor {
  if (temperature === 0) return logits
  if (temperature >= 1e-3) return tf.div(logits, Math.min(temperature, 1 / smallest))
  return tf.div(tf.sub(logits, tf.max(logits, 1, true)), Math.max(temperature, smallest))
}

/**
 * The scores with everything out of reach at -inf.
 * @param logits float32 [S, V]
 * @returns float32 [S, V]
 */
export function filterLogits(logits: Tensor, { temperature = 1, sampleTopK, sampleTopP }: SamplingOptions): Tensor {
  const classes = at(logits.shape, 1)
  const keepBest = temperature === 0 ? 1 : Math.min(sampleTopK ?? classes, classes)
  let scores = divideByTemperature(logits, temperature)
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
    const wanted = Math.max(sampleTopP, smallest)
    const lowest = tf.min(tf.where(tf.less(better, wanted), sorted, tf.fill(sorted.shape, Number.POSITIVE_INFINITY)), 1, true)
    scores = keep(tf.greaterEqual(scores, lowest))
  }
  return scores
}

/**
 * The logits behind each sequence's last character.
 * @param window int32 [S, T]
 * @param last the position of each sequence's last character, int32 [S]
 * @returns float32 [S, V]
 */
function lastLogits(model: SparseMoELanguageModel, window: Tensor, last: Tensor, ctx: Context): Tensor {
  const logits = model.forward(window, ctx) // [S, T, V]
  const [S, T, V] = shape3(logits)
  const rows = tf.add(tf.mul(tf.range(0, S, 1, 'int32'), tf.scalar(T, 'int32')), last)
  return tf.gather(tf.reshape(logits, [S * T, V]), rows)
}

/**
 * Draws the next character of each sequence.
 * @param window int32 [S, T]
 * @param last the position of each sequence's last character, int32 [S]
 * @returns int32 [S]
 */
export function nextCharacter(model: SparseMoELanguageModel, window: Tensor, last: Tensor, options: SamplingOptions, ctx: Context): Tensor {
  return tf.tidy(() => ctx.streams.sampling.categorical(filterLogits(lastLogits(model, window, last, ctx), options)))
}

/** A step of generation; it may be compiled. */
export type GenerationStep<Args extends Tensor[]> = (...args: Args) => Tensor

/** What `generate` writes, and how. */
export interface GenerateOptions extends SamplingOptions {
  readonly tokens: number
  readonly streams: Streams
  /** As the original: dropout and routing noise on, the window growing, from training mode. */
  readonly likeMakemoe?: boolean
  /** Makes a step: eager by default, or compiled. */
  readonly makeStep?: <Args extends Tensor[]>(step: GenerationStep<Args>) => GenerationStep<Args>
  /** Whether to keep keys and values until the window slides, where the model allows it. Default: yes. */
  readonly cached?: boolean
}

/**
 * Writes on from each prompt, all at once.
 * @param prompts numbers of characters, each at least one; lengths may differ
 * @yields the next character's number for each prompt
 * @throws ConfigError, ShapeError before anything is drawn; TrainingError if the logits are not finite
 */
export function* generate(
  model: SparseMoELanguageModel,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): Generator<Int32Array> {
  validateSampling(options)
  if (model.looksAhead?.())
    throw new ConfigError(
      'generate: got a model whose experts choose tokens, which looks ahead, expected one that writes from left to right',
    )
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0))
    throw new ShapeError('generate: got an empty prompt, expected at least one character in each')
  const { blockSize } = model.config
  const { streams, likeMakemoe = false, cached = true, makeStep = (step) => step } = options
  const ctx: Context = { training: likeMakemoe, streams }
  const texts = prompts.map((prompt) => Array.from(prompt))
  const longest = (): number => Math.max(...texts.map((text) => text.length))

  const whole = makeStep(function wholeWindow(window: Tensor, last: Tensor) {
    return tf.tidy(() => lastLogits(model, window, last, ctx))
  })
  const fromWindow = (): Tensor => {
    const width = likeMakemoe ? Math.min(longest(), blockSize) : blockSize
    const rows = texts.map((text) => text.slice(-width))
    const padded = rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(0)])
    const last = rows.map((row) => row.length - 1)
    return tf.tidy(() => whole(tf.tensor2d(padded, [rows.length, width], 'int32'), tf.tensor1d(last, 'int32')))
  }

  const cache = cached && !likeMakemoe && longest() <= blockSize ? model.newCache?.(texts.length) : undefined
  const one = makeStep(function onePosition(ids: Tensor, position: Tensor) {
    return tf.tidy(() => tf.squeeze(model.forward(ids, cache ? { ...ctx, cache: cache.at(position) } : ctx), [1]))
  })
  /** Passes what the cache lacks, the last `missing` characters; a shorter text's first character is passed again until its turn comes. */
  const fromCache = (missing: number): Tensor => {
    const pass = (back: number): Tensor => {
      const positions = texts.map((text) => Math.max(text.length - 1 - back, 0))
      const ids = positions.map((position, s) => [at(at(texts, s), position)])
      return tf.tidy(() => one(tf.tensor2d(ids, [texts.length, 1], 'int32'), tf.tensor1d(positions, 'int32')))
    }
    for (let back = missing - 1; back > 0; back--) pass(back).dispose()
    return pass(0)
  }

  const draw = makeStep(function drawCharacter(logits: Tensor) {
    return tf.tidy(() => {
      const drawn = streams.sampling.categorical(filterLogits(logits, options))
      const sound = tf.all(tf.less(logits, Number.POSITIVE_INFINITY), 1) // false for NaN
      return tf.where(sound, drawn, tf.onesLike(drawn).mul(tf.scalar(-1, 'int32')))
    })
  })
  try {
    let missing = longest()
    for (let i = 0; i < options.tokens; i++) {
      const logits = cache && longest() <= blockSize ? fromCache(missing) : fromWindow()
      const drawn = draw(logits)
      const characters = drawn.dataSync<'int32'>()
      tf.dispose([logits, drawn])
      if (characters.some((id) => id < 0))
        throw new TrainingError(
          'generate: the model gives logits that are not finite: its training has diverged; use an earlier checkpoint',
        )
      for (const [s, text] of texts.entries()) text.push(at(characters, s))
      missing = 1
      yield characters
    }
  } finally {
    cache?.dispose()
  }
}
