/** What names and values MLflow takes. One that it does not take would have it refuse all that is sent with it. */
import { MlflowError, type MlflowPair } from './mlflow-client'

type Kind = 'metric' | 'parameter' | 'tag'

const longestName = 250
const longestValue: Readonly<Record<Kind, number>> = { metric: Infinity, parameter: 6000, tag: 8000 }

/**
 * Letters and digits of any script, and `_ - . : /` and spaces; as a path it must not be absolute, begin with two points, leave its place, or
 * leave a part empty.
 */
const isName = (name: string): boolean =>
  /^[\p{L}\p{N}_\-.: /]+$/u.test(name) && !/^\/|^\.\.|\/$|\/\/|(^|\/)\.\.?(\/|$)/.test(name) && [...name].length <= longestName

const shown = (name: string): string => JSON.stringify([...name].length > 60 ? `${[...name].slice(0, 60).join('')}…` : name)

/** Whether the server refuses a name that we take: which letters there are depends on the age of its Python. */
const isNameRefused = (error: unknown): boolean => error instanceof MlflowError && /names may /i.test(error.message)

/** Sends entries; if the server refuses a name among them, all others, found by halving. */
export async function sendNamed<Entry extends { readonly key: string }>(
  kind: Kind,
  entries: readonly Entry[],
  send: (entries: readonly Entry[]) => Promise<void>,
  refuse: (sentence: string) => void,
): Promise<void> {
  try {
    await send(entries)
  } catch (error) {
    if (!isNameRefused(error)) throw error
    const half = Math.floor(entries.length / 2)
    if (half === 0) return refuse(`${kind} ${shown(entries[0]?.key ?? '')} is not sent: this server knows not all of its letters`)
    for (const part of [entries.slice(0, half), entries.slice(half)]) await sendNamed(kind, part, send, refuse)
  }
}

/** Makes something that has tags; if the server refuses a name among them, with those alone whose names are ASCII. */
export async function makeTagged<Made>(
  tags: readonly MlflowPair[],
  make: (tags: readonly MlflowPair[]) => Promise<Made>,
  refuse: (sentence: string) => void,
): Promise<Made> {
  try {
    return await make(tags)
  } catch (error) {
    const others = tags.filter(({ key }) => /\P{ASCII}/u.test(key))
    if (!isNameRefused(error) || others.length === 0) throw error
    for (const { key } of others) refuse(`tag ${shown(key)} is not sent: this server knows not all letters of the tags`)
    return await make(tags.filter((tag) => !others.includes(tag)))
  }
}

/**
 * Whether MLflow takes a name and its value.
 * @param refuse gets the rule that is broken
 */
export function acceptable(kind: Kind, name: string, value: string, refuse: (sentence: string) => void): boolean {
  if (!isName(name)) {
    refuse(
      `${kind} ${shown(name)} is not sent: MLflow takes names of 1 to ${longestName} letters, digits, spaces and _ - . : /, no .. at the start, and no empty, . or .. between two /`,
    )
    return false
  }
  if ([...value].length <= longestValue[kind]) return true
  refuse(`${kind} ${shown(name)} is not sent: its value has ${[...value].length} characters, MLflow takes ${longestValue[kind]}`)
  return false
}

/** Those of a record's entries that MLflow takes. */
export const acceptablePairs = (kind: Kind, record: Readonly<Record<string, string>>, refuse: (sentence: string) => void): MlflowPair[] =>
  Object.entries(record)
    .filter(([key, value]) => acceptable(kind, key, value, refuse))
    .map(([key, value]) => ({ key, value: Buffer.from(value).toString() })) // halves of a character become U+FFFD
