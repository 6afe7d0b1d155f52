/**
 * Observes forward passes: what the router of every layer did with the tokens. What is a tensor is computed inside the pass, which may be
 * compiled; its result stays the same to the bit.
 *
 *     const layers = observe(model, x, { training: false, streams })   // x: int32 [B, T]
 *     layers[0].load, layers[0].coActivation, layers[0].fromCharacter ...
 */
import { ShapeError } from '../base/errors'
import { type Tensor, tf } from '../engine/tensor/tf'
import type { MixtureContext } from '../makemoe/moe/context'
import { routingMetrics } from '../makemoe/moe/routing-metrics'
import type { RoutingRecord } from '../makemoe/moe/routing-record'
import type { RoutingNumbers } from '../show/inspection/contents'
import { type Choices, coActivation, repetition, shareFromCharacter } from './analysis'
import { entropyOf } from './statistics'

/** What one layer did in a pass. N tokens, K choices, E experts. */
export type LayerTensors = {
  readonly layer: number
  /** The chosen experts, best first: int32 [N, K]. */
  readonly experts: Tensor
  /** Their gates: float32 [N, K]. */
  readonly gates: Tensor
  /** As `routingMetrics` explains them. */
  readonly metrics: Readonly<Record<string, Tensor>>
}

/** A pass with what was observed in it. */
export type Observed<R extends Tensor> = {
  readonly result: R
  readonly layers: LayerTensors[]
}

/**
 * Runs a pass under observation; to be compiled, or not.
 * @param pass makes a forward pass in the given context
 * @returns tensors, to be disposed of
 * @throws ShapeError if a mixture reports an incomplete record
 */
export function observed<R extends Tensor>(pass: (ctx: MixtureContext) => R, ctx: MixtureContext): Observed<R> {
  return tf.tidy(() => {
    // Kept beyond a pass that tidies up behind itself.
    const kept: LayerTensors[] = []
    const observer = (record: RoutingRecord): void => {
      kept.push(layerTensors(record, (tensor) => tf.keep(tf.clone(tensor))))
      ctx.observer?.(record)
    }
    const result = pass({ ...ctx, observer })
    const layers = kept.map((layer) => mapTensors(layer, (tensor) => tf.clone(tensor)))
    tf.dispose(kept.map(tensorsOf))
    return { result, layers }
  })
}

function layerTensors(record: RoutingRecord, keep: (tensor: Tensor) => Tensor): LayerTensors {
  for (const name of ['layer', 'experts', 'gates', 'logits', 'demand', 'load'] as const)
    if (record[name] === undefined)
      throw new ShapeError(`observe: got a routing record without ${name}, expected all that RoutingRecord names (see SparseMoE)`)
  return mapTensors({ layer: record.layer, experts: record.experts, gates: record.gates, metrics: routingMetrics(record) }, keep)
}

function mapTensors({ layer, experts, gates, metrics }: LayerTensors, map: (tensor: Tensor) => Tensor): LayerTensors {
  const mapped = Object.entries(metrics).map(([name, value]) => [name, map(value)] as const)
  return { layer, experts: map(experts), gates: map(gates), metrics: Object.fromEntries(mapped) }
}

const tensorsOf = ({ experts, gates, metrics }: LayerTensors): Tensor[] => [experts, gates, ...Object.values(metrics)]

/** What one layer's router did with all observed tokens. */
export interface LayerObservation extends RoutingNumbers {
  readonly choices: Choices
  /** The gates of the choices, in their order. [N * K] */
  readonly gates: Float32Array
}

/** What was read of one layer so far. */
interface LayerTotals {
  readonly layer: number
  readonly experts: Int32Array[]
  readonly gates: Float32Array[]
  /** Sums of vectors, and of scalars times tokens. */
  readonly sums: Map<string, number[]>
  readonly topK: number
  tokens: number
}

const choicesOf = ({ experts, topK, sums }: LayerTotals): Choices => ({
  experts: concatenated(experts, Int32Array),
  topK,
  numExperts: sums.get('load')?.length ?? 0,
})

/** Adds up what was observed in one pass or many. */
export class Observation {
  private readonly layers = new Map<number, LayerTotals>()

  /** Reads what a pass showed; the tensors are disposed of. */
  add(layers: readonly LayerTensors[]): void {
    for (const tensors of layers) {
      const { layer, experts, gates, metrics } = tensors
      const [tokens = 0, topK = 0] = experts.shape
      const totals = this.layers.get(layer) ?? { layer, experts: [], gates: [], sums: new Map<string, number[]>(), topK, tokens: 0 }
      this.layers.set(layer, totals)
      totals.experts.push(Int32Array.from(experts.dataSync()))
      totals.gates.push(Float32Array.from(gates.dataSync()))
      totals.tokens += tokens
      for (const [name, value] of Object.entries(metrics)) {
        const before = totals.sums.get(name)
        const weight = value.rank === 0 ? tokens : 1
        totals.sums.set(
          name,
          Array.from(value.dataSync(), (number, i) => number * weight + (before?.[i] ?? 0)),
        )
      }
      tf.dispose(tensorsOf(tensors))
    }
  }

  private inOrder(): LayerTotals[] {
    return [...this.layers.values()].sort((a, b) => a.layer - b.layer)
  }

  /** The choices of all layers, in order. */
  choices(): Choices[] {
    return this.inOrder().map(choicesOf)
  }

  /**
   * All layers, in order.
   * @param characters the token ids that were observed, in order
   * @param length tokens of a sequence
   */
  summary(characters: ArrayLike<number>, length: number): LayerObservation[] {
    return this.inOrder().map((totals) => {
      const { layer, sums, tokens } = totals
      const vector = (name: string): number[] => sums.get(name) ?? []
      const mean = (name: string): number | undefined => {
        const [sum] = vector(name)
        return sum === undefined ? undefined : sum / tokens
      }
      const [load, importance] = [vector('load'), vector('importance')]
      const demand = sums.get('demand') ?? load
      const choices = choicesOf(totals)
      return {
        layer,
        choices,
        gates: concatenated(totals.gates, Float32Array),
        demand,
        load,
        importance,
        entropy: mean('entropy') ?? Number.NaN,
        meanGateEntropy: entropyOf(importance),
        margin: mean('margin') ?? Number.NaN,
        dropShare: mean('drop_share'),
        maxVio: (Math.max(...demand) * demand.length) / demand.reduce((sum, count) => sum + count, 0) - 1,
        dead: demand.flatMap((count, expert) => (count === 0 ? [expert] : [])),
        z: mean('z') ?? Number.NaN,
        coActivation: coActivation(choices),
        repetition: repetition(choices, length),
        fromCharacter: shareFromCharacter(choices, characters),
      }
    })
  }
}

function concatenated<A extends Int32Array | Float32Array>(parts: readonly A[], Type: new (length: number) => A): A {
  const all = new Type(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/**
 * Observes one forward pass: what the router of each layer chose.
 * @param x token ids, int32 [B, T]
 * @returns a record for each layer, in order; entropies in nats
 */
export function observe(model: { forward(x: Tensor, ctx: MixtureContext): Tensor }, x: Tensor, ctx: MixtureContext): LayerObservation[] {
  const observation = new Observation()
  const { result, layers } = observed((inside) => model.forward(x, inside), ctx)
  result.dispose()
  observation.add(layers)
  return observation.summary(x.dataSync(), x.shape.at(-1) ?? 1)
}
