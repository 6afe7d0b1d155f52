/**
 * What a forward pass is given besides its input: whether it is training, where randomness comes from, and where to report. Reporting is
 * optional: a part writes `ctx.report?.('z', value)`, and the value is not even computed when nobody listens. Other rooms extend it with
 * what is theirs: a mixture's observers (moe/context.ts), a model's cache (model/context.ts).
 */
import type { Streams } from '../../engine/tensor/streams'
import type { Tensor } from '../../engine/tensor/tf'

/** The second argument of every `forward`. */
export interface Context {
  /** Dropout, routing noise and capacity are for training. */
  readonly training: boolean
  readonly streams: Streams
  /** The token ids of the pass, int32 [B, T], for a part that looks at them; absent outside a language model. */
  readonly tokenIds?: Tensor
  /** The layer that the module is part of, counted from 0; absent outside of one. */
  readonly layer?: number
  /**
   * Takes a named scalar or small vector from any part. In a layer the name gains it: `z` arrives as `layer_0/z`, `routing/load` as
   * `routing/layer_0/load`. Absent when nobody listens.
   */
  readonly report?: (name: string, value: Tensor) => void
  /** Takes an auxiliary loss: a float32 scalar, already weighted, with its gradient. Only training gives it. */
  readonly addLoss?: (name: string, value: Tensor) => void
}

/** The context of one layer: what is reported from it carries its number, as the last but one part of the name. */
export function inLayer<C extends Context>(ctx: C, layer: number): C {
  const { report } = ctx
  if (!report) return { ...ctx, layer }
  return {
    ...ctx,
    layer,
    report: (name, value) =>
      report(
        name.replace(/[^/]*$/, (last) => `layer_${layer}/${last}`),
        value,
      ),
  }
}
