/** Access to what must be there, checked where TypeScript cannot know it. */

/**
 * Element i of a list.
 * @throws RangeError if the list is shorter
 */
export function at<T>(list: ArrayLike<T>, i: number): T {
  const item = list[i]
  if (item === undefined) throw new RangeError(`got the index ${i}, expected 0 to ${list.length - 1}`)
  return item
}

/**
 * What a map has for a key.
 * @throws RangeError if it has none
 */
export function valueAt<K, V>(map: { get(key: K): V | undefined }, key: K): V {
  const value = map.get(key)
  if (value === undefined) throw new RangeError(`got the key ${String(key)}, which is not there`)
  return value
}

/** What an error says, whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The keys of a record whose keys are known. */
export const keysOf = <T extends object>(record: T): (keyof T & string)[] => Object.keys(record) as (keyof T & string)[] // nobody adds others

/** Whether a text is one of the known names. */
export const isOneOf = <Name extends string>(names: readonly Name[], text: string): text is Name => names.some((name) => name === text)

/** The code point of a character. */
export const codePoint = (character: string): number => character.codePointAt(0) ?? Number.NaN
