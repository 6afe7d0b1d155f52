/** The sizes that the bench measures, and how much arithmetic each takes at least. */
import type { ModelConfig } from 'makemoe/dist/makemoe/config'
import { presets } from 'makemoe/dist/makemoe/presets'

/** A model's config, and the sequences in a batch. */
export interface BenchSize extends Pick<ModelConfig, 'nEmbed' | 'nHead' | 'nLayer' | 'blockSize' | 'numExperts' | 'topK'> {
  readonly batchSize: number
}

const sizeOf = ({ nEmbed, nHead, nLayer, blockSize, numExperts, topK, batchSize }: BenchSize): BenchSize => ({
  nEmbed,
  nHead,
  nLayer,
  blockSize,
  numExperts,
  topK,
  batchSize,
}) // without a config's other fields
const base = sizeOf(presets.makemoe)

/** The default, the first rung of the ladder, and what a person tries next: a longer context, a wider model, more experts. */
export const sizes = {
  default: base,
  tiny: sizeOf(presets.tiny),
  context: { ...base, blockSize: 256 },
  wide: { ...base, nEmbed: 384, nHead: 6, nLayer: 6, blockSize: 256, batchSize: 4 },
  experts: { ...base, nEmbed: 256, blockSize: 64, numExperts: 32 },
} as const satisfies Record<string, BenchSize>

export type SizeName = keyof typeof sizes

/** How the default grows, one dimension at a time. */
export const growth = {
  blockSize: [32, 64, 128, 256],
  nEmbed: [64, 128, 256, 384],
  numExperts: [8, 16, 32, 64],
  nLayer: [4, 8, 16],
  batchSize: [4, 16, 64],
} as const satisfies Partial<Record<keyof BenchSize, readonly number[]>>

export type Dimension = keyof typeof growth

/** The default with one dimension changed. */
export const grown = (dimension: Dimension, value: number): BenchSize => ({ ...base, [dimension]: value })

const vocabSize = 65

/**
 * The floating-point operations of the matrix products in one forward pass of a batch, dropless; a training step has three times as many.
 * Attention counts the keys up to each query's own position.
 */
export function forwardFlops({ nEmbed: C, nLayer, blockSize: T, numExperts: E, topK: K, batchSize }: BenchSize, training: boolean): number {
  const projections = 4 * C * C // queries, keys, values, output
  const attention = C * (T + 1) // scores and what they collect, (T + 1) / 2 keys on average
  const experts = K * 8 * C * C
  const router = (training ? 2 : 1) * C * E // the noise has weights of its own
  return 2 * batchSize * T * (nLayer * (projections + attention + experts + router) + C * vocabSize)
}
