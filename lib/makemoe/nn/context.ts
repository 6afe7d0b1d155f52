/**
 * What a forward pass is told besides its input: whether it is training, where randomness comes from, and who listens. Whoever listens is
 * optional: a part writes `ctx.report?.('z', value)`, and the value is not even computed when nobody does.
 */
import type { PairIndex } from '../../engine/tensor/pairs'
import type { Streams } from '../../engine/tensor/streams'
import type { Tensor } from '../../engine/tensor/tf'

/** The noise of a router, [N, E] both. */
export interface RoutingNoise {
  /** The logits with their noise, which decided the choice. */
  readonly noisy: Tensor
  /** The standard deviation of the noise. Computed only if it is asked for. */
  readonly deviation: () => Tensor
}

/** What one SparseMoE layer did with its tokens. N tokens, K choices, E experts. */
export interface RoutingRecord {
  /** The layer, counted from 0. */
  readonly layer: number
  /** The shape of the tokens before they became rows, [B, T] in a language model; their product is N. */
  readonly tokens: readonly number[]
  /** Chosen experts, best first: int32 [N, K]. */
  readonly experts: Tensor
  /** Their gates: float32 [N, K]. */
  readonly gates: Tensor
  /** The router's logits, before noise: float32 [N, E]. */
  readonly logits: Tensor
  /** Absent where the router drew no noise. */
  readonly noise?: RoutingNoise
  /** The router's distribution over all experts, before the choice: float32 [N, E], rows sum to 1. */
  readonly probabilities: Tensor
  /** Gates of all experts, exactly 0 for those not chosen: float32 [N, E]. */
  readonly allGates: Tensor
  /** (token, choice) pairs that asked for each expert: int32 [E]. */
  readonly demand: Tensor
  /** (token, choice) pairs that each expert served: int32 [E]. */
  readonly load: Tensor
  /** Whether an expert could be full: where not, nothing is told of drops. */
  readonly drops: boolean
  /** Pairs that were dropped because their expert was full: int32 scalar. */
  readonly dropped: Tensor
  /** Mean entropy of the gates over the tokens, in nats: float32 scalar. */
  readonly entropy: Tensor
}

/** Keys and values of earlier positions, for a forward pass of one position a sequence. S sequences, H heads, T positions, D head size. */
export interface CacheAtPosition {
  /** The position that each sequence is at; int32 [S]. */
  readonly position: Tensor
  /** 0 for the positions that may be looked at, -inf for others: float32 [S, 1, 1, T]. */
  readonly mask: Tensor
  /**
   * Keeps a layer's keys and values of this position, both [S, H, 1, D].
   * @returns those of all positions, [S, H, T, D]
   */
  extend(layer: number, k: Tensor, v: Tensor): readonly [keys: Tensor, values: Tensor]
}

/** Given where several processes compute one batch together, each its own sequences of it (cluster/). N tokens in each, n processes. */
export interface BatchShare {
  /**
   * The rows of all processes in the order of the whole batch: float32 [N, F] -> [n N, F]. What is computed from them must be the same in
   * all processes; its gradient is then right once gradients are averaged over the processes.
   */
  gather(rows: Tensor): Tensor
  /**
   * Sends rows to the experts and back, where the experts live in different processes; absent where every process has all of them.
   * @param apply an expert of this process, by its index
   * @param rows float32 [S, C] in slot order
   * @param plan which slots belong to which expert: `load` int32 [E]
   * @param most rows that one expert gets from one process at most
   * @returns their outputs, float32 [S, C]
   */
  readonly serve?: (
    apply: (expert: number, rows: Tensor) => Tensor,
    rows: Tensor,
    plan: Pick<PairIndex, 'pairOfSlot' | 'slotOfPair'> & { readonly load: Tensor },
    most: number,
  ) => Tensor
}

/** The second argument of every `forward`. */
export interface Context {
  /** Dropout, routing noise and capacity are for training. */
  readonly training: boolean
  readonly streams: Streams
  /** The token ids of the pass, int32 [B, T], for a part that looks at them; absent outside a language model. */
  readonly tokenIds?: Tensor
  /** The layer that the module is part of, counted from 0; absent outside of one. */
  readonly layer?: number
  /** Given when a text is fed position by position: what is passed then is [S, 1, C]. */
  readonly cache?: CacheAtPosition
  /** Absent where one process computes the whole batch. */
  readonly share?: BatchShare | undefined
  /**
   * Takes a named scalar or small vector from any part. In a layer the name gains it: `z` arrives as `layer_0/z`, `routing/load` as
   * `routing/layer_0/load`. Absent when nobody listens.
   */
  readonly report?: (name: string, value: Tensor) => void
  /** Takes an auxiliary loss: a float32 scalar, already weighted, with its gradient. Only training gives it. */
  readonly addLoss?: (name: string, value: Tensor) => void
  /** Called once a SparseMoE layer and forward pass. The tensors live until the pass ends; `tf.keep` those that are wanted longer. */
  readonly observer?: (record: RoutingRecord) => void
  /**
   * Stands between a mixture and its router, for experiments on a trained model.
   * @param route the router's decision; a bias, float32 [E] or [N, E], is added to what decides the choice, never to the gates, so that -inf
   * sends the tokens of an expert to their next choice
   * @returns the decision that counts
   */
  readonly intervene?: <Routing extends { readonly gates: Tensor }>(route: (bias?: Tensor) => Routing, layer: number) => Routing
}

/** The context of one layer: what is reported from it carries its number, as the last but one part of the name. */
export function inLayer(ctx: Context, layer: number): Context {
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
