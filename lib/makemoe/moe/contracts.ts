/**
 * What a mixture of experts is made of: the contracts of its parts. Whatever fulfills one can be passed in (a cell, a file of one's own) or
 * be added to the table in parts.ts under a name.
 */

import type { RandomStream } from '../../engine/tensor/streams'
import type { Tensor, Variable } from '../../engine/tensor/tf'
import type { Context } from '../nn/context'
import type { Initializer } from '../nn/initializers'
import type { Module } from '../nn/module'
import type { RoutingNoise, RoutingRecord } from './routing-record'

/** A router's decision. N tokens, E experts, K choices. */
export interface Routing {
  /** int32 [N, K]: the chosen experts, best first, no expert twice in a row; with `partial`, E marks an unused choice. */
  readonly experts: Tensor
  /** float32 [N, K]: their gates, at most 1. */
  readonly gates: Tensor
  /** float32 [N, E]: the logits before noise, and before any balancing bias. */
  readonly logits: Tensor
  /** float32 [N, E]: the router's distribution over all experts; default: softmax of the logits. Computed only if it is asked for. */
  readonly probabilities?: () => Tensor
  /** Whether a token may have fewer than K experts. Default: no. */
  readonly partial?: boolean
  /** float32 [N, E]: the scores whose K largest are chosen, before any balancing bias. Absent: the choice follows from no scores. */
  readonly compared?: Tensor
  /** The noise that was drawn; absent without noise. */
  readonly noise?: RoutingNoise
}

/** Which experts serve a token, and with what weight. */
export interface RouterModule extends Module {
  /**
   * @param x float32 [N, C]
   * @param bias float32 [E], from a balancing method with a state: added to what decides the choice, never to the gates
   */
  forward(x: Tensor, ctx: Context, bias?: Tensor): Routing
  /** Whether the decision for a token depends on other tokens of the batch (expert choice). Default: no. */
  readonly looksAcrossTokens?: boolean
  /** Whether it draws random numbers in evaluation too, so that a token evaluated twice may get other experts. Default: no. */
  readonly drawsInEvaluation?: boolean
}

/** A feed-forward network, one of several. */
export interface ExpertModule extends Module {
  /**
   * @param x [rows, C]; the number of rows is known only at run time, and may be 0
   * @returns [rows, C]
   */
  forward(x: Tensor): Tensor
}

/**
 * The order in which an expert of limited capacity serves its pairs; the last ones are dropped.
 * @param gates of the chosen experts, float32 [N, K]
 * @param ctx for a policy that draws
 * @returns pairs, numbered choice by choice (pair p is of token p mod N); int32 [N * K]
 */
export type DropPolicy = (gates: Tensor, ctx?: Context) => Tensor

/** A balancing loss of one layer, without its weight: a float32 scalar with a gradient. */
export type BalancingLoss = (routing: RoutingRecord) => Tensor

/**
 * A balancing method with a state instead of a loss, one for each layer (the auxiliary-loss-free bias of DeepSeek-V3, 2412.19437, section
 * 2.1.2; quantile balancing). Its state is made with `buffer`, so that it is saved with the checkpoint and left alone by the optimizer.
 */
export interface BalancingState extends Module {
  /** float32 [E]: given to the router, which adds it to what decides the choice. */
  readonly bias: Variable
  /** Assigns the next state; called once a training step and layer, after the router has read the present one. */
  update(routing: RoutingRecord): void
}

/** The fields of a model's config that the parts of a mixture need. */
export interface MixtureConfig {
  readonly nEmbed: number
  readonly numExperts: number
  readonly topK: number
  /** Vocabulary size; absent outside a language model. */
  readonly vocabSize?: number | undefined
  /** Hidden width of an expert; absent: the expert's own default. */
  readonly expertWidth?: number | undefined
  /** When a noisy router is noisy; the original's is in evaluation too (`always`). */
  readonly noiseMode: 'training' | 'always'
}

/** How the weights of a mixture start. */
export interface MixtureInit {
  readonly router: Initializer
  /** Each expert's first layer. */
  readonly expert: Initializer
  /** Each expert's second layer, which writes to the residual stream. */
  readonly residual: Initializer
}

/** Makes a part from the config. */
export type Make<Part> = (config: MixtureConfig, stream: RandomStream, init: MixtureInit) => Part

/** What a router of the table says of itself before one is made. */
export interface RouterTraits {
  /** As in `RouterModule`; several processes then cannot share a batch out. Default: no. */
  readonly looksAcrossTokens?: boolean
  /** Whether it chooses by scores that a balancing bias can be added to. Default: yes. */
  readonly comparesScores?: boolean
}

/** A router of the table: `topkRouter`, or `Object.assign(make, { looksAcrossTokens: true })`. */
export type NamedRouter = Make<RouterModule> & RouterTraits
