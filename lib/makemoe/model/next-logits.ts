/**
 * The logits for the next character of texts that grow: from a cache of keys and values, or from the whole window.
 *
 * While the longest text fits into the window, a character costs a forward pass of one position (KeyValueCache), where the model allows it.
 * Otherwise the window is computed in full width, padded after the text; attention is causal, so what follows a position cannot change it.
 * (The original grows the window instead; with its noise and capacity on, that is not the same, and `likeMakemoe` does it so.)
 */
import { at } from '../../base/assertions'
import { readsStateOf } from '../../engine/graph/javascript-state'
import { shape3 } from '../../engine/tensor/shape'
import type { Streams } from '../../engine/tensor/streams'
import { type Tensor, tf } from '../../engine/tensor/tf'
import type { ModelContext } from './context'
import type { KeyValueCache } from './key-value-cache'
import type { SparseMoELanguageModel } from './language-model'

/** A step of generation; it may be compiled. */
export type GenerationStep<Args extends Tensor[]> = (...args: Args) => Tensor

export interface NextLogitsOptions {
  readonly streams: Streams
  /** As the original: dropout and routing noise on, the window growing, from training mode. */
  readonly likeMakemoe?: boolean
  /** Makes a step: eager by default, or compiled. */
  readonly makeStep?: <Args extends Tensor[]>(step: GenerationStep<Args>) => GenerationStep<Args>
  /** Whether to keep keys and values until the window slides, where the model allows it. Default: yes. */
  readonly cached?: boolean
}

/** Token ids of several texts, which whoever draws appends to. */
type Texts = readonly number[][]

/** Where the next characters' logits come from. */
export interface NextLogits {
  /** float32 [S, V] for S texts as they are now; the caller disposes of it. */
  logits(): Tensor
  dispose(): void
}

const longest = (texts: Texts): number => Math.max(...texts.map((text) => text.length))

/** The cache while the texts fit into it, then the window. */
export function nextLogits(model: SparseMoELanguageModel, texts: Texts, options: NextLogitsOptions): NextLogits {
  const { blockSize } = model.config
  const { streams, likeMakemoe = false, cached = true } = options
  const ctx: ModelContext = { training: likeMakemoe, streams }
  const window = fromWindow(model, texts, ctx, options)
  const cache = cached && !likeMakemoe && longest(texts) <= blockSize ? model.newCache?.(texts.length) : undefined
  if (!cache) return window
  const positions = fromCache(model, texts, ctx, cache, options)
  return {
    logits: () => (longest(texts) <= blockSize ? positions : window).logits(),
    dispose: () => positions.dispose(),
  }
}

/**
 * The logits behind each sequence's last character.
 * @param window int32 [S, T]
 * @param last the position of each sequence's last character, int32 [S]
 * @returns float32 [S, V]
 */
export function lastLogits(model: SparseMoELanguageModel, window: Tensor, last: Tensor, ctx: ModelContext): Tensor {
  const logits = model.forward(window, ctx) // [S, T, V]
  const [S, T, V] = shape3(logits)
  const rows = tf.add(tf.mul(tf.range(0, S, 1, 'int32'), tf.scalar(T, 'int32')), last)
  return tf.gather(tf.reshape(logits, [S * T, V]), rows)
}

/** Computes the whole window. */
function fromWindow(
  model: SparseMoELanguageModel,
  texts: Texts,
  ctx: ModelContext,
  { likeMakemoe = false, makeStep = (step) => step }: NextLogitsOptions,
): NextLogits {
  const { blockSize } = model.config
  const wholeWindow = (window: Tensor, last: Tensor): Tensor => tf.tidy(() => lastLogits(model, window, last, ctx))
  const step = makeStep(readsStateOf(wholeWindow, model))
  return {
    logits() {
      const width = likeMakemoe ? Math.min(longest(texts), blockSize) : blockSize
      const rows = texts.map((text) => text.slice(-width))
      const padded = rows.flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(0)])
      const last = rows.map((row) => row.length - 1)
      return tf.tidy(() => step(tf.tensor2d(padded, [rows.length, width], 'int32'), tf.tensor1d(last, 'int32')))
    },
    dispose() {},
  }
}

/** Computes what the cache lacks: at first all characters, then the last one. */
function fromCache(
  model: SparseMoELanguageModel,
  texts: Texts,
  ctx: ModelContext,
  cache: KeyValueCache,
  { makeStep = (step) => step }: NextLogitsOptions,
): NextLogits {
  const onePosition = (ids: Tensor, position: Tensor): Tensor =>
    tf.tidy(() => tf.squeeze(model.forward(ids, { ...ctx, cache: cache.atPosition(position) }), [1]))
  const step = makeStep(readsStateOf(onePosition, model))
  /** Passes the character this far from the end; a shorter text's first character is passed again until its turn comes. */
  const pass = (back: number): Tensor => {
    const positions = texts.map((text) => Math.max(text.length - 1 - back, 0))
    const ids = positions.map((position, s) => [at(at(texts, s), position)])
    return tf.tidy(() => step(tf.tensor2d(ids, [texts.length, 1], 'int32'), tf.tensor1d(positions, 'int32')))
  }
  let missing = longest(texts)
  return {
    logits() {
      for (let back = missing - 1; back > 0; back--) pass(back).dispose()
      missing = 1
      return pass(0)
    },
    dispose: () => cache.dispose(),
  }
}
