/** Routers by layer: config field `firstRouters`, `hash*3`; the layers after have the config's `router`. */
import { ConfigError } from '../../../base/errors'
import { nearest } from '../../../base/nearest'
import type { NamedRouter } from '../contracts'
import { namesOf, type RouterName, routers } from '../parts'

/**
 * Reads the config's `firstRouters`: `none`, or routers with how many layers have each, separated by commas; a name alone is one layer.
 * @returns a router for each of the first layers
 * @throws ConfigError that names what was got and what was expected
 */
export function parseFirstRouters(text: string): RouterName[] {
  if (text.trim() === 'none') return []
  const known = namesOf<RouterName>(routers)
  return text.split(',').flatMap((item) => {
    const [given = '', countText = '1', ...rest] = item.split('*').map((part) => part.trim())
    const name = known.find((each) => each === given)
    if (!name)
      throw new ConfigError(`firstRouters: got ${given || 'nothing'}, expected none or some of ${known.join(', ')}${nearest(given, known)}`)
    const count = Number(countText)
    if (rest.length > 0 || countText === '' || !(Number.isInteger(count) && count >= 1 && count <= 1e4))
      throw new ConfigError(`firstRouters: got ${item.trim()}, expected ${name}*LAYERS with a number of layers >= 1`)
    return Array.from({ length: count }, () => name)
  })
}

const named: Readonly<Record<RouterName, NamedRouter>> = routers

/** Whether a router of a name chooses by scores, which a balancing bias can be added to: not by a table, nor by an expert's choice. */
export const comparesScores = (router: RouterName): boolean => named[router].comparesScores ?? true

/** The first router, of those that the layers have, whose decision for a token depends on other tokens; undefined if none's does. */
export const acrossTokens = (config: { readonly router: RouterName; readonly firstRouters?: string }): RouterName | undefined =>
  [config.router, ...parseFirstRouters(config.firstRouters ?? 'none')].find((router) => named[router].looksAcrossTokens)

/** The router of a layer, counted from 0. */
export const routerOf = (config: { readonly router: RouterName; readonly firstRouters?: string }, layer: number): RouterName =>
  parseFirstRouters(config.firstRouters ?? 'none')[layer] ?? config.router
