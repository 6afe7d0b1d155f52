/**
 * Churn: which share of the choices for the same text changes between one look at a model in training and the next (Dai et al. 2022, StableMoE,
 * 2204.08396, section 2.2, "routing fluctuation"). An expert learns little of tokens that soon go elsewhere.
 */
import { at } from '../base/assertions'
import { mean } from '../base/numbers'
import type { Streams } from '../engine/tensor/streams'
import type { Tensor } from '../engine/tensor/tf'
import type { MixtureContext } from '../makemoe/moe/context'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { setStreamCounters, streamCounters } from '../makemoe/train/training-state'
import { type Choices, saturation } from './analysis'
import { Observation, observed } from './observe'

/** Validation windows that are looked at, spread over the split. */
const windows = 16

/** Looks at the choices of a model for the same text again and again, as it routes outside training. */
export class ChurnProbe {
  private readonly x: Tensor
  private readonly forward: ((x: Tensor) => ReturnType<typeof observed>) & { readonly dispose?: () => void }
  private before: readonly Choices[] | undefined

  constructor(
    model: { forward(x: Tensor, ctx: MixtureContext): Tensor },
    dataset: Dataset,
    private readonly streams: Streams,
    compile: Compile,
  ) {
    const between = Math.floor((dataset.splits.val.length - dataset.blockSize - 1) / windows)
    const { x, y } = dataset.batchAt(
      'val',
      Array.from({ length: windows }, (_, i) => i * between),
    )
    y.dispose()
    this.x = x
    this.forward = compile((x: Tensor) => observed((ctx) => model.forward(x, ctx), { training: false, streams }))
  }

  /** The share of the choices that were others at the look before, mean of the layers; undefined at the first look, or if nothing routes. */
  look(): number | undefined {
    const counters = streamCounters(this.streams)
    const { result, layers } = this.forward(this.x)
    result.dispose()
    const observation = new Observation()
    observation.add(layers)
    setStreamCounters(this.streams, counters)
    const now = observation.choices()
    const { before } = this
    this.before = now
    if (!before || now.length === 0) return undefined
    return 1 - mean(now.map((choices, layer) => saturation(at(before, layer), choices)))
  }

  dispose(): void {
    this.x.dispose()
    this.forward.dispose?.()
  }
}

/** A whole training's churn: the mean from one evaluation to the next; undefined where nothing was looked at twice. */
export function meanChurn(curve: readonly { readonly churn?: number | undefined }[]): number | undefined {
  const shares = curve.flatMap(({ churn }) => churn ?? [])
  return shares.length === 0 ? undefined : mean(shares)
}
