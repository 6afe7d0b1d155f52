/** What the forward pass of a mixture is given besides its input. */
import type { Tensor } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { BatchShare } from './batch-share'
import type { Routing } from './contracts'
import type { RoutingRecord } from './routing-record'

/** The context of a forward pass through a SparseMoE. */
export interface MixtureContext extends Context {
  /** Called once a layer and forward pass. The tensors live until the pass ends; `tf.keep` those that are wanted longer. */
  readonly observer?: (record: RoutingRecord) => void
  /**
   * Stands between a mixture and its router, for experiments on a trained model.
   * @param route the router's decision; a bias, float32 [E] or [N, E], is added to what decides the choice, never to the gates, so that -inf
   * sends the tokens of an expert to their next choice
   * @returns the decision that counts
   */
  readonly intervene?: (route: (bias?: Tensor) => Routing, layer: number) => Routing
  /** How several processes compute one batch together. Default: this one has all of it. */
  readonly share?: BatchShare | undefined
}
