/** How many parameters one token meets in a mixture. */
import type { Variable } from '../../engine/tensor/tf'
import type { Module } from '../nn/module'

/**
 * The parameters that a token does not meet, in the mean, if it is sent to `topK` experts and all choices are as likely. One that several
 * experts share counts once.
 * @param always modules that every token passes through
 */
export function idleParameterCount(experts: readonly Module[], always: readonly Module[], topK: number): number {
  const E = experts.length
  const holders = new Map<Variable, number>()
  for (const parameter of experts.flatMap((expert) => expert.parameters())) holders.set(parameter, (holders.get(parameter) ?? 0) + 1)
  for (const parameter of always.flatMap((module) => module.parameters())) holders.delete(parameter)
  /** The share of tokens that are sent to none of a parameter's n holders. */
  const idleShare = (n: number): number =>
    Array.from({ length: n }, (_, i) => Math.max(0, E - topK - i) / (E - i)).reduce((product, share) => product * share, 1)
  return [...holders].reduce((sum, [{ size }, n]) => sum + size * idleShare(n), 0)
}
