/** What stands in a Map, a Set or a plain object, where a Module does not look for its parameters and children. */

/** Something found in a container. */
interface Found {
  /** Where it is: `gains.first`. */
  readonly path: string
  /** What holds it: `a Map`. */
  readonly container: string
  readonly item: unknown
}

const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value))

/** The entries of a container; undefined for other values. */
function entriesOf(value: object): readonly [container: string | undefined, entries: Iterable<readonly [unknown, unknown]>] | undefined {
  if (Array.isArray(value)) return [undefined, value.entries()]
  if (value instanceof Map) return ['a Map', value.entries()]
  if (value instanceof Set) return ['a Set', [...value].entries()]
  return isPlain(value) ? ['a plain object', Object.entries(value)] : undefined
}

/**
 * Everything of a kind in the Maps, Sets and plain objects that an object holds, however deep.
 * @param isWanted what is looked for; it is not looked into
 */
export function* inContainers(owner: object, isWanted: (value: unknown) => boolean): Generator<Found> {
  const seen = new Set<unknown>()
  function* visit(path: string, container: string | undefined, value: unknown): Generator<Found> {
    if (isWanted(value)) {
      if (container) yield { path, container, item: value }
      return
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    const [own, entries] = entriesOf(value) ?? [undefined, []]
    for (const [key, item] of entries) yield* visit(`${path}.${String(key)}`, own ?? container, item)
  }
  for (const [name, value] of Object.entries(owner)) yield* visit(name, undefined, value)
}
