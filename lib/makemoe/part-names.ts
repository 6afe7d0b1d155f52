/** The parts that a person can pass in by value: the one list of their names, and what each decides. */
import { isOneOf, keysOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { nearest } from '../base/nearest'

/**
 * - `architecture`: what the model computes.
 * - `learning`: how the model starts and what it minimizes; it computes the same.
 * - `training`: how it is trained; the model knows nothing of it.
 * - `text`: what its token ids stand for.
 */
export const partNames = {
  router: 'architecture',
  expert: 'architecture',
  attention: 'architecture',
  moe: 'architecture',
  balance: 'learning',
  init: 'learning',
  optimizer: 'training',
  schedule: 'training',
  tokenizer: 'text',
} as const

export type PartName = keyof typeof partNames
type PartKind = (typeof partNames)[PartName]

/** The names of the parts of some kinds; of all, if none is given. */
export const partNamesOf = (...kinds: readonly PartKind[]): PartName[] =>
  keysOf(partNames).filter((name) => kinds.length === 0 || isOneOf(kinds, partNames[name]))

/**
 * Checks the names of given parts.
 * @throws ConfigError that names the nearest
 */
export function checkPartNames(parts: object, ...kinds: readonly PartKind[]): void {
  const known = partNamesOf(...kinds)
  for (const name of Object.keys(parts))
    if (!isOneOf(known, name)) throw new ConfigError(`parts: got ${name}, expected some of ${known.join(', ')}${nearest(name, known)}`)
}
