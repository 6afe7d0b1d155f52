/** Learning rates by role: config field `learningRates`, option `--learning-rates router:0.3,embedding:2`. */
import { parseNamedNumbers } from '../../base/named-numbers'
import type { MakeOptimizer } from './optimizer'
import { ParameterGroups } from './parameter-groups'
import { type Role, roleOf, roles } from './roles'

/** The learning rate of a role, as a multiple of the common one. */
export interface RoleRate {
  readonly name: Role
  readonly number: number
}

/**
 * Reads the config's `learningRates`: `none`, or roles with multiples, separated by commas; 0 freezes.
 * @throws ConfigError that names what was got and what was expected
 */
export const parseLearningRates = (text: string): RoleRate[] =>
  parseNamedNumbers(text, { field: 'learningRates', known: roles, what: 'multiple' })

/** An optimizer of the same kind for each role that has a rate of its own, and one for the rest; without any, the optimizer itself. */
export const withLearningRates = (make: MakeOptimizer, rates: readonly RoleRate[]): MakeOptimizer =>
  rates.length === 0
    ? make
    : (parameters, options) => {
        const of = (name: string, multiple: number, has: (role: Role) => boolean) => ({
          name,
          multiple,
          has: (parameter: (typeof parameters)[number]) => has(roleOf(parameter)),
          make: (own: typeof parameters) => make(own, options),
        })
        const own = rates.map(({ name, number }) => of(name, number, (role) => role === name))
        return new ParameterGroups(parameters, [...own, of('rest', 1, () => true)], options)
      }
