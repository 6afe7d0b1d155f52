/**
 * The parts of a mixture by name: config fields and options `router`, `expert`, `dropPolicy`, `balance`. A new one is a file beside its
 * like and a line here; validation, --help, config.json and MLflow follow. Each is loaded when it is made, so that the names can be had
 * without TensorFlow.
 */
import { ConfigError } from '../../base/errors'
import { nearest } from '../../base/nearest'
import type { BalancingLoss, BalancingState, DropPolicy, ExpertModule, Make, RouterModule } from './contracts'

export type { DropPolicy } from './contracts'

export const routers = {
  'noisy-topk': (...of) => (require('./router/noisy-topk') as typeof import('./router/noisy-topk')).noisyTopkRouter(...of),
  topk: (...of) => (require('./router/topk') as typeof import('./router/topk')).topkRouter(...of),
  sigmoid: (...of) => (require('./router/sigmoid') as typeof import('./router/sigmoid')).sigmoidRouter(...of),
  switch: (...of) => (require('./router/switch') as typeof import('./router/switch')).switchRouter(...of),
  'expert-choice': (...of) => (require('./router/expert-choice') as typeof import('./router/expert-choice')).expertChoiceRouter(...of),
  hash: (...of) => (require('./router/hash') as typeof import('./router/hash')).hashRouter(...of),
  random: (...of) => (require('./router/random') as typeof import('./router/random')).randomRouter(...of),
} as const satisfies Record<string, Make<RouterModule>>

export const experts = {
  relu: (...of) => (require('./expert/relu') as typeof import('./expert/relu')).reluExpert(...of),
  gelu: (...of) => (require('./expert/gelu') as typeof import('./expert/gelu')).geluExpert(...of),
  swiglu: (...of) => (require('./expert/swiglu') as typeof import('./expert/swiglu')).swigluExpert(...of),
} as const satisfies Record<string, Make<ExpertModule>>

export const dropPolicies = {
  order: (weights) => (require('./drop-policy/order') as typeof import('./drop-policy/order')).inOrder(weights),
  rank: (weights) => (require('./drop-policy/rank') as typeof import('./drop-policy/rank')).byRank(weights),
  random: (...of) => (require('./drop-policy/random') as typeof import('./drop-policy/random')).atRandom(...of),
} as const satisfies Record<string, DropPolicy>

/** A balancing method: a loss and its usual weight, or a state and its usual step. */
export type BalancingMethod =
  | { readonly weight: number; readonly loss: BalancingLoss }
  | { readonly weight: number; readonly state: (numExperts: number, weight: number) => BalancingState }

export const balances = {
  switch: { weight: 0.01, loss: (of) => (require('./balance/switch') as typeof import('./balance/switch')).switchLoss(of) },
  importance: {
    weight: 0.1,
    loss: (of) => (require('./balance/importance') as typeof import('./balance/importance')).importanceLoss(of),
  },
  load: { weight: 0.1, loss: (of) => (require('./balance/load') as typeof import('./balance/load')).loadLoss(of) },
  z: { weight: 0.001, loss: (of) => (require('./balance/z') as typeof import('./balance/z')).zLoss(of) },
  sequence: { weight: 0.0001, loss: (of) => (require('./balance/sequence') as typeof import('./balance/sequence')).sequenceLoss(of) },
  bias: { weight: 0.001, state: (...of) => (require('./balance/bias') as typeof import('./balance/bias')).balancingBias(...of) },
} as const satisfies Record<string, BalancingMethod>

export type RouterName = keyof typeof routers
export type ExpertName = keyof typeof experts
export type DropPolicyName = keyof typeof dropPolicies
export type BalanceName = keyof typeof balances

/** The names of a table, as zod's enums want them. */
export const namesOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): [Name, ...Name[]] =>
  Object.keys(table) as [Name, ...Name[]]

/** A balancing method that a config asks for. */
export interface ChosenBalance {
  readonly name: BalanceName
  readonly weight: number
}

/**
 * Reads the config's `balance`: `none`, or names with their weights, `switch:0.01`, separated by commas; a name alone has its usual weight.
 * @throws ConfigError that names what was got and what was expected
 */
export function parseBalance(text: string): ChosenBalance[] {
  if (text.trim() === 'none') return []
  const chosen = text.split(',').map((item): ChosenBalance => {
    const [given = '', weightText, ...rest] = item.split(':').map((part) => part.trim())
    const known = namesOf<BalanceName>(balances)
    const name = known.find((each) => each === given)
    if (!name)
      throw new ConfigError(`balance: got ${given || 'nothing'}, expected none or some of ${known.join(', ')}${nearest(given, known)}`)
    const weight = weightText === undefined ? balances[name].weight : Number(weightText)
    if (weightText === '' || rest.length > 0 || !(weight >= 0 && Number.isFinite(weight)))
      throw new ConfigError(`balance: got ${item.trim()}, expected ${name}:WEIGHT with a weight >= 0`)
    return { name, weight }
  })
  const twice = chosen.find(({ name }, i) => chosen.findIndex((other) => other.name === name) !== i)
  if (twice) throw new ConfigError(`balance: got ${twice.name} twice, expected each once`)
  return chosen
}
