/** What names and values MLflow takes. One that it does not take would have it refuse all that is sent with it. */
import type { MlflowPair } from './mlflow-client'

type Kind = 'metric' | 'parameter' | 'tag'

const longestName = 250
const longestValue: Readonly<Record<Kind, number>> = { metric: Infinity, parameter: 6000, tag: 8000 }

/** Letters and digits of any script, and `_ - . : /` and spaces; as a path it must not be absolute, nor leave its place or a part empty. */
const isName = (name: string): boolean =>
  /^[\p{L}\p{N}_\-.: /]+$/u.test(name) && !/^\/|\/$|\/\/|(^|\/)\.\.?(\/|$)/.test(name) && [...name].length <= longestName

/**
 * Whether MLflow takes a name and its value.
 * @param refuse gets the rule that is broken
 */
export function acceptable(kind: Kind, name: string, value: string, refuse: (sentence: string) => void): boolean {
  if (!isName(name)) {
    const shown = JSON.stringify([...name].length > 60 ? `${[...name].slice(0, 60).join('')}…` : name)
    refuse(
      `${kind} ${shown} is not sent: MLflow takes names of 1 to ${longestName} letters, digits, spaces and _ - . : /, and no empty, . or .. between two /`,
    )
    return false
  }
  if ([...value].length <= longestValue[kind]) return true
  refuse(`${kind} ${JSON.stringify(name)} is not sent: its value has ${[...value].length} characters, MLflow takes ${longestValue[kind]}`)
  return false
}

/** Those of a record's entries that MLflow takes. */
export const acceptablePairs = (kind: Kind, record: Readonly<Record<string, string>>, refuse: (sentence: string) => void): MlflowPair[] =>
  Object.entries(record)
    .filter(([key, value]) => acceptable(kind, key, value, refuse))
    .map(([key, value]) => ({ key, value: Buffer.from(value).toString() })) // halves of a character become U+FFFD
