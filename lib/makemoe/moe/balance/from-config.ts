/** The balancing methods that a config asks for: its field `balance`, `switch:0.01,bias`. */
import { parseNamedNumbers } from '../../../base/named-numbers'
import type { BalancingLoss } from '../contracts'
import { type BalanceName, type BalancingMethod, balances, namesOf } from '../parts'
import type { Balancing, WeightedLoss } from '../report-routing'

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
  const rule = {
    field: 'balance',
    known: namesOf<BalanceName>(balances),
    what: 'weight',
    usual: (name: BalanceName) => balances[name].weight,
  }
  return parseNamedNumbers(text, rule).map(({ name, number }) => ({ name, weight: number }))
}

/**
 * What balances one layer.
 * @param given a loss in place of the config's, already weighted
 */
export function balancingOf(
  { balance, numExperts }: { readonly balance: string; readonly numExperts: number },
  given?: BalancingLoss,
): Balancing {
  if (given) return { losses: [{ name: 'balance', weight: 1, loss: given }] }
  const methods: Readonly<Record<BalanceName, BalancingMethod>> = balances
  const chosen = parseBalance(balance).map(({ name, weight }) => ({ name, weight, method: methods[name] }))
  return {
    losses: chosen.flatMap(({ name, weight, method }): WeightedLoss[] => ('loss' in method ? [{ name, weight, loss: method.loss }] : [])),
    balancing: chosen.flatMap(({ weight, method }) => ('state' in method ? [method.state(numExperts, weight)] : []))[0],
  }
}
