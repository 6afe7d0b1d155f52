/**
 * Knock-out: what the validation loss of a trained model becomes with one expert of one layer switched off (its tokens go to their next
 * choice), with a single choice a token, and with choices at random. Nothing is trained; the rest of the model is as it was.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Streams } from '../engine/tensor/streams'
import { type Tensor, tf } from '../engine/tensor/tf'
import type { MixtureContext } from '../makemoe/moe/context'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { makeLossSum } from '../makemoe/train/evaluate'
import { setStreamCounters, streamCounters } from '../makemoe/train/training-state'
import type { KnockOut } from '../show/inspection/contents'
import { observed } from './observe'

/** A model as far as the laboratory needs it; lib's language model is one. */
export interface ExaminedModel {
  readonly config: { readonly blockSize: number; readonly nLayer: number; readonly numExperts: number; readonly topK: number }
  /** @returns logits, [B, T, V] */
  forward(ids: Tensor, ctx: MixtureContext): Tensor
}

export interface MeasureOptions {
  readonly streams: Streams
  /** Default: eager. */
  readonly compile?: Compile
  /** Characters of the validation split that are measured at most, from its beginning. Default: all. */
  readonly characters?: number
  /** Gets the share that is done. */
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal | undefined
}

type Intervene = NonNullable<MixtureContext['intervene']>

/** Adds a row of `bias`, [L, E], to what decides the choices of each layer. */
export const withBias =
  (bias: Tensor): Intervene =>
  (route, layer) =>
    route(tf.squeeze(tf.slice(bias, [layer, 0], [1, -1]), [0]))

/** The first choice gets all that the gates of a token sum to. */
export const firstChoiceAlone: Intervene = (route) => {
  const routing = route()
  const first = tf.sum(routing.gates, 1, true) // [N, 1]
  return { ...routing, gates: tf.concat([first, tf.zerosLike(tf.slice(routing.gates, [0, 1], [-1, -1]))], 1) }
}

/** Larger than any logit or score, and small enough that their differences survive being added to it. */
const overwhelming = 1e6

/** K of the experts at random for each of N tokens. */
export const atRandom =
  (streams: Streams, tokens: number, numExperts: number): Intervene =>
  (route) =>
    route(tf.mul(streams.sampling.uniform([tokens, numExperts]), overwhelming))

/** A bias that switches experts off: float32 [L, E]. */
export function switchedOff({ nLayer, numExperts }: ExaminedModel['config'], off: (layer: number, expert: number) => boolean): Tensor {
  const values = Array.from({ length: nLayer }, (_, layer) =>
    Array.from({ length: numExperts }, (_, expert) => (off(layer, expert) ? Number.NEGATIVE_INFINITY : 0)),
  )
  return tf.tensor2d(values, [nLayer, numExperts])
}

/**
 * What each expert is worth to the loss on the validation split: it is measured with each switched off, with the first choice alone, and
 * with choices at random; in nats.
 * @throws whatever reason the signal has, if it stops the measurement
 */
export async function knockOut(model: ExaminedModel, dataset: Dataset, options: MeasureOptions): Promise<KnockOut> {
  const { streams, compile = (fn) => fn, characters, onProgress, signal } = options
  const { nLayer, numExperts, topK } = model.config
  const before = streamCounters(streams)
  const able = responses(model, dataset, streams)
  const switchable = able.bias.every(Boolean)
  const passes = 1 + able.bias.filter(Boolean).length * numExperts + Number(able.gates) + Number(switchable)
  let done = 0

  const measure = async (lossSum: (x: Tensor, y: Tensor) => Tensor): Promise<{ loss: number; characters: number }> => {
    setStreamCounters(streams, before) // a model that is noisy in evaluation has the same noise each time
    let sum = 0
    let measured = 0
    const total = Math.min(characters ?? Number.POSITIVE_INFINITY, dataset.splits.val.length)
    for (const { x, y } of dataset.windows('val', undefined, characters)) {
      const value = lossSum(x, y)
      sum += value.dataSync()[0] ?? Number.NaN
      measured += x.size
      tf.dispose([x, y, value])
      onProgress?.((done + Math.min(1, measured / total)) / passes)
      await nextTurn() // signals get their turn
      signal?.throwIfAborted()
    }
    onProgress?.(++done / passes)
    return { loss: sum / measured, characters: measured }
  }

  const ctx = { training: false, streams }
  const biased = compile(function knockOut(x: Tensor, y: Tensor, bias: Tensor) {
    return makeLossSum(model, { ...ctx, intervene: withBias(bias) })(x, y)
  })
  const changed = (intervene: (x: Tensor) => Intervene): Promise<{ loss: number }> =>
    measure(
      compile(function intervention(x: Tensor, y: Tensor) {
        return makeLossSum(model, { ...ctx, intervene: intervene(x) })(x, y)
      }),
    )

  const base = await measure(compile(makeLossSum(model, ctx)))
  const without: (number[] | undefined)[] = []
  for (let layer = 0; layer < nLayer; layer++) {
    if (!able.bias[layer]) {
      without.push(undefined)
      continue
    }
    const losses: number[] = []
    for (let expert = 0; expert < numExperts; expert++) {
      const bias = switchedOff(model.config, (l, e) => l === layer && e === expert)
      losses.push((await measure((x, y) => biased(x, y, bias))).loss)
      bias.dispose()
    }
    without.push(losses)
  }
  const topOne = able.gates && topK > 1 ? (await changed(() => firstChoiceAlone)).loss : undefined
  const random = switchable ? (await changed((x) => atRandom(streams, x.size, numExperts))).loss : undefined
  setStreamCounters(streams, before)
  return { ...base, without, topOne, random }
}

/** Whether each layer's router minds a bias, and whether gates can be changed: tried on one window. */
function responses(model: ExaminedModel, dataset: Dataset, streams: Streams): { bias: boolean[]; gates: boolean } {
  const { nLayer, topK } = model.config
  return tf.tidy(() => {
    const { x } = dataset.batchAt('val', [0])
    const layersWith = (intervene: Intervene) =>
      observed((ctx) => model.forward(x, ctx), { training: false, streams, intervene }).layers.sort((a, b) => a.layer - b.layer)
    const first = switchedOff(model.config, (_layer, expert) => expert === 0)
    const biased = layersWith(withBias(first))
    const alone = topK > 1 ? layersWith(firstChoiceAlone) : []
    return {
      bias: Array.from({ length: nLayer }, (_, layer) => {
        const found = biased.find((each) => each.layer === layer)
        const demand = found?.metrics.demand ?? found?.metrics.load
        return demand?.dataSync()[0] === 0
      }),
      gates: alone.length === nLayer && alone.every(({ gates }) => tf.sum(tf.slice(gates, [0, 1], [-1, -1])).dataSync()[0] === 0),
    }
  })
}
