/** The balancing methods that a config asks for: its field `balance`, `switch:0.01,bias`. */
import { ConfigError } from '../../../base/errors'
import { nearest } from '../../../base/nearest'
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
