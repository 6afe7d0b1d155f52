/** The role of a parameter in a model, by its name and its rank: what an optimizer treats apart. */
import type { NamedParameter } from '../nn/parameter'

/** What a parameter can be; `matrices` are those of attention and experts, `other` their biases and the gains of normalizations. */
export const roles = ['router', 'embedding', 'head', 'matrices', 'other'] as const

export type Role = (typeof roles)[number]

/** The role of a parameter: the first in the order of `roles` whose name it has, else by its rank. */
export function roleOf([name, { rank }]: NamedParameter): Role {
  const path = name.split('.')
  if (path.includes('router')) return 'router'
  if (path.some((part) => /embedding$/i.test(part))) return 'embedding'
  if (path[0] === 'head') return 'head'
  return rank >= 2 ? 'matrices' : 'other'
}
