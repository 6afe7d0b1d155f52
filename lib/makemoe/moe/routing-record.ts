/** What one mixture layer did with its tokens, for observers, metrics and balancing. N tokens, K choices, E experts. */
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
  /** The scores whose K largest were chosen, before any balancing bias: float32 [N, E]. Absent where the choice follows from no scores. */
  readonly compared?: Tensor
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
  /** Whether experts have a capacity; without one, no drops are reported. */
  readonly drops: boolean
  /** Pairs that were dropped because their expert was full: int32 scalar. */
  readonly dropped: Tensor
  /** Mean entropy of the gates over the tokens, in nats: float32 scalar. */
  readonly entropy: Tensor
}
