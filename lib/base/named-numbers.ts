/** Names with numbers as one text, `switch:0.01,bias`: what several options are written as. */
import { ConfigError } from './errors'
import { nearest } from './nearest'

/** What a text may hold. */
export interface NamedNumbersRule<Name extends string> {
  /** The config field, for messages. */
  readonly field: string
  readonly known: readonly Name[]
  /** What the number is: a weight, a multiple. */
  readonly what: string
  /** The number of a name that stands alone; absent: it must be given. */
  readonly usual?: (name: Name) => number
  /** Whether a name always stands alone; its number is then its usual one. Default: none does. */
  readonly alone?: (name: Name) => boolean
}

/**
 * Reads `none`, or names with numbers >= 0, separated by commas.
 * @throws ConfigError that names what was got and what was expected
 */
export function parseNamedNumbers<Name extends string>(
  text: string,
  { field, known, what, usual, alone }: NamedNumbersRule<Name>,
): { readonly name: Name; readonly number: number }[] {
  if (text.trim() === 'none') return []
  const chosen = text.split(',').map((item) => {
    const [given = '', numberText, ...rest] = item.split(':').map((part) => part.trim())
    const name = known.find((each) => each === given)
    if (!name)
      throw new ConfigError(`${field}: got ${given || 'nothing'}, expected none or some of ${known.join(', ')}${nearest(given, known)}`)
    if (numberText !== undefined && alone?.(name))
      throw new ConfigError(`${field}: got ${item.trim()}, expected ${name} alone: it has no ${what}`)
    const number = numberText === undefined ? (usual?.(name) ?? Number.NaN) : Number(numberText)
    if (numberText === '' || rest.length > 0 || !(number >= 0 && Number.isFinite(number)))
      throw new ConfigError(`${field}: got ${item.trim()}, expected ${name}:${what.toUpperCase()} with a ${what} >= 0`)
    return { name, number }
  })
  const twice = chosen.find(({ name }, i) => chosen.findIndex((other) => other.name === name) !== i)
  if (twice) throw new ConfigError(`${field}: got ${twice.name} twice, expected each once`)
  return chosen
}
