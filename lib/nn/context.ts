/**
 * What a forward pass is told besides its input: whether it is training, where randomness comes from, and who watches the routing.
 */
import type { Streams } from '../tensor/streams'
import type { Tensor } from '../tensor/tf'

/** What one SparseMoE layer did with its tokens. N tokens, K choices, E experts. */
export interface RoutingRecord {
  /** The layer, counted from 0. */
  readonly layer: number
  /** Probabilities of the chosen experts, exactly 0 elsewhere: float32 [N, E]. */
  readonly gates: Tensor
  /** Chosen experts, best first: int32 [N, K]. */
  readonly indices: Tensor
  /** The router's scores before noise: float32 [N, E]. */
  readonly logits: Tensor
  /** (token, choice) pairs that reached each expert: int32 [E]. */
  readonly load: Tensor
  /** Pairs that were dropped because their expert was full: int32 scalar. */
  readonly dropped: Tensor
  /** Mean entropy of the gates over the tokens, in nats: float32 scalar. */
  readonly entropy: Tensor
}

/** The second argument of every `forward`. */
export interface Context {
  /** Dropout, routing noise and capacity are for training. */
  readonly training: boolean
  readonly streams: Streams
  /** Called once a SparseMoE layer and forward pass. The tensors live until the pass ends; `tf.keep` those that are wanted longer. */
  readonly observer?: (record: RoutingRecord) => void
}
