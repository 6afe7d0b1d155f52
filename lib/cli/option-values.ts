/** What an option's text means; anything else is a mistake that commander reports in a line. */
import { InvalidArgumentError } from 'commander'

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number.')
  return value
}

function integer(text: string, least: number): number {
  const value = number(text)
  if (!Number.isInteger(value) || value < least || value > 1e9) throw new InvalidArgumentError(`expected an integer from ${least} to 1e9.`)
  return value
}

export const natural = (text: string): number => integer(text, 1)
export const naturalOrZero = (text: string): number => integer(text, 0)

export function seed(text: string): number {
  const value = number(text)
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 31) throw new InvalidArgumentError('expected an integer of 32 bits.')
  return value
}

/** Numbers separated by commas, each read alone. */
const list =
  (read: (text: string) => number) =>
  (text: string): number[] =>
    text.split(',').map(read)

/** Different integers from 1 on: `500,1000`. */
export function naturals(text: string): number[] {
  const values = list(natural)(text)
  if (new Set(values).size < values.length) throw new InvalidArgumentError('expected each number once.')
  return values
}

/** Numbers above 0: `0.5,1,2`. */
export const positives = list((text) => {
  const value = number(text)
  if (!(value > 0)) throw new InvalidArgumentError('expected numbers above 0.')
  return value
})
