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
