/** The balancing methods that a config asks for: its field `balance`, `switch:0.01,bias`. */
import { ConfigError } from '../../../base/errors'
import { parseNamedNumbers } from '../../../base/named-numbers'
import type { BalancingLoss } from '../contracts'
import { type BalanceName, type BalancingMethod, balances, namesOf, type RouterName } from '../parts'
import type { Balancing, WeightedLoss } from '../report-routing'
import { comparesScores } from '../router/by-layer'

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
  const methods: Readonly<Record<BalanceName, BalancingMethod>> = balances
  const weightOf = (name: BalanceName): number | undefined => {
    const method = methods[name]
    return 'weight' in method ? method.weight : undefined
  }
  const chosen = parseNamedNumbers(text, {
    field: 'balance',
    known: namesOf<BalanceName>(balances),
    what: 'weight',
    usual: (name: BalanceName) => weightOf(name) ?? 1,
    alone: (name: BalanceName) => weightOf(name) === undefined,
  }).map(({ name, number }) => ({ name, weight: number }))
  const states = chosen.filter(({ name }) => 'state' in methods[name])
  if (states.length > 1)
    throw new ConfigError(
      `balance: got ${states.map(({ name }) => name).join(' and ')}, expected one of them: each sets the layer's biases`,
    )
  return chosen
}

/**
 * Checks that the balancing has something to work on in some layer.
 * @param routers of the layers
 * @throws ConfigError if biases that follow from scores are wanted and no layer's router compares any
 */
export function checkBalance(balance: string, routers: readonly RouterName[]): void {
  if (parseBalance(balance).some(({ name }) => name === 'quantile') && !routers.some(comparesScores))
    throw new ConfigError(`balance: got quantile with the router ${routers[0]}, expected one that compares scores, such as topk`)
}

/**
 * What balances one layer.
 * @param router the layer's by name; absent: one that was passed in
 * @param given a loss in place of the config's, already weighted
 */
export function balancingOf(
  config: { readonly balance: string; readonly numExperts: number; readonly topK: number },
  router?: RouterName,
  given?: BalancingLoss,
): Balancing {
  if (given) return { losses: [{ name: 'balance', weight: 1, loss: given }] }
  const methods: Readonly<Record<BalanceName, BalancingMethod>> = balances
  const chosen = parseBalance(config.balance)
    .filter(({ name }) => name !== 'quantile' || router === undefined || comparesScores(router)) // a table's layers have nothing to balance
    .map(({ name, weight }) => ({ name, weight, method: methods[name] }))
  return {
    losses: chosen.flatMap(({ name, weight, method }): WeightedLoss[] => ('loss' in method ? [{ name, weight, loss: method.loss }] : [])),
    balancing: chosen.flatMap(({ weight, method }) => ('state' in method ? [method.state(config, weight)] : []))[0],
  }
}
