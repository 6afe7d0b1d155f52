/**
 * The parts of a mixture by name: config fields and options `router`, `expert`, `dropPolicy`, `balance`. A new one is a file beside its
 * like and a line here; validation, --help, config.json and MLflow follow.
 */
import { balancingBias } from './balance/bias'
import { importanceLoss } from './balance/importance'
import { loadLoss } from './balance/load'
import { quantileBias } from './balance/quantile'
import { sequenceLoss } from './balance/sequence'
import { switchLoss } from './balance/switch'
import { zLoss } from './balance/z'
import type { BalancingLoss, BalancingState, DropPolicy, ExpertModule, Make, MixtureConfig, NamedRouter } from './contracts'
import { inOrder } from './drop-policy/order'
import { atRandom } from './drop-policy/random'
import { byRank } from './drop-policy/rank'
import { geluExpert } from './expert/gelu'
import { reluExpert } from './expert/relu'
import { squaredReluExpert } from './expert/relu2'
import { swigluExpert } from './expert/swiglu'
import { expertChoiceRouter } from './router/expert-choice'
import { hashRouter } from './router/hash'
import { hashGatedRouter } from './router/hash-gated'
import { noisyTopkRouter } from './router/noisy-topk'
import { randomRouter } from './router/random'
import { sigmoidRouter } from './router/sigmoid'
import { switchRouter } from './router/switch'
import { topkRouter } from './router/topk'

export type { DropPolicy } from './contracts'

/** The routers by name: config field `router`; each turns logits [N, E] into K experts and gates for each of N tokens. */
export const routers = {
  'noisy-topk': noisyTopkRouter,
  topk: topkRouter,
  sigmoid: sigmoidRouter,
  switch: switchRouter,
  'expert-choice': expertChoiceRouter,
  hash: hashRouter,
  'hash-gated': hashGatedRouter,
  random: randomRouter,
} as const satisfies Record<string, NamedRouter>

/** The experts by name: config field `expert`; each maps rows [n, C] to rows [n, C]. */
export const experts = {
  relu: reluExpert,
  gelu: geluExpert,
  swiglu: swigluExpert,
  relu2: squaredReluExpert,
} as const satisfies Record<string, Make<ExpertModule>>

/** The drop policies by name: config field `dropPolicy`; each orders an expert's (token, choice) pairs, of which the first ones are served. */
export const dropPolicies = {
  order: inOrder,
  rank: byRank,
  random: atRandom,
} as const satisfies Record<string, DropPolicy>

/** The sizes that a balancing state is made from. */
type BalanceSizes = Pick<MixtureConfig, 'numExperts' | 'topK'>

/** A balancing method: a loss and its usual weight, a state and its usual step, or a state that has no step to set. */
export type BalancingMethod =
  | { readonly weight: number; readonly loss: BalancingLoss }
  | { readonly weight: number; readonly state: (sizes: BalanceSizes, weight: number) => BalancingState }
  | { readonly state: (sizes: BalanceSizes) => BalancingState }

/** The balancing methods by name: config field `balance`; each with its usual weight or step, if it has one. */
export const balances = {
  switch: { weight: 0.01, loss: switchLoss },
  importance: { weight: 0.1, loss: importanceLoss },
  load: { weight: 0.1, loss: loadLoss },
  z: { weight: 0.001, loss: zLoss },
  sequence: { weight: 0.0001, loss: sequenceLoss },
  bias: { weight: 0.001, state: balancingBias },
  quantile: { state: quantileBias },
} as const satisfies Record<string, BalancingMethod>

export type RouterName = keyof typeof routers
export type ExpertName = keyof typeof experts
export type DropPolicyName = keyof typeof dropPolicies
export type BalanceName = keyof typeof balances

/** The names of a table, as zod's enums want them. */
export const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): [Name, ...Name[]] =>
  Object.keys(table) as [Name, ...Name[]]
