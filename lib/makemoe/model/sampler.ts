/** Writing text: one character at a time from the model's logits, over the last T characters. */
import { at } from '../../base/assertions'
import { ConfigError, ShapeError, TrainingError } from '../../base/errors'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { SparseMoELanguageModel } from './language-model'
import { type GenerationStep, lastLogits, type NextLogitsOptions, nextLogits } from './next-logits'

/** How characters are drawn. */
export interface SamplingOptions {
  /** Divides the logits: below 1 more greedy, above 1 more random, 0 greedy. Default 1. */
  readonly temperature?: number
  /** Sample from the k most likely characters. */
  readonly sampleTopK?: number | undefined
  /** Sample from the fewest most likely characters that together have this probability (nucleus; Holtzman et al. 2020). */
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
 * Logits with everything that must not be sampled set to -inf.
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
 * Draws the next character of each sequence.
 * @param window int32 [S, T]
 * @param last the position of each sequence's last character, int32 [S]
 * @returns int32 [S]
 */
export function nextCharacter(model: SparseMoELanguageModel, window: Tensor, last: Tensor, options: SamplingOptions, ctx: Context): Tensor {
  return tf.tidy(() => ctx.streams.sampling.categorical(filterLogits(lastLogits(model, window, last, ctx), options)))
}

export type { GenerationStep }

/** What `generate` writes, and how. */
export interface GenerateOptions extends SamplingOptions, NextLogitsOptions {
  readonly tokens: number
}

function checkPrompts(model: SparseMoELanguageModel, prompts: readonly ArrayLike<number>[]): void {
  if (model.looksAhead?.())
    throw new ConfigError(
      'generate: got a model whose experts choose tokens, which looks ahead, expected one that writes from left to right',
    )
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0))
    throw new ShapeError('generate: got an empty prompt, expected at least one character in each')
}

/**
 * Writes on from each prompt, all at once.
 * @param prompts token ids, at least one in each; lengths may differ
 * @yields the next token id for each prompt
 * @throws ConfigError, ShapeError before anything is drawn; TrainingError if the logits are not finite
 */
export function* generate(
  model: SparseMoELanguageModel,
  prompts: readonly ArrayLike<number>[],
  options: GenerateOptions,
): Generator<Int32Array> {
  checkPrompts(model, prompts)
  validateSampling(options)
  const { makeStep = (step) => step } = options
  const texts = prompts.map((prompt) => Array.from(prompt))
  const next = nextLogits(model, texts, options)
  const draw = makeStep(function drawCharacter(logits: Tensor) {
    return tf.tidy(() => {
      const drawn = options.streams.sampling.categorical(filterLogits(logits, options))
      const isSound = tf.all(tf.less(logits, Number.POSITIVE_INFINITY), 1) // false for NaN
      return tf.where(isSound, drawn, tf.onesLike(drawn).mul(tf.scalar(-1, 'int32')))
    })
  })
  try {
    for (let i = 0; i < options.tokens; i++) {
      const logits = next.logits()
      const drawn = draw(logits)
      const characters = drawn.dataSync<'int32'>()
      tf.dispose([logits, drawn])
      if (characters.some((id) => id < 0))
        throw new TrainingError(
          'generate: the model gives logits that are not finite: its training has diverged; use an earlier checkpoint',
        )
      for (const [s, text] of texts.entries()) text.push(at(characters, s))
      yield characters
    }
  } finally {
    next.dispose()
  }
}
