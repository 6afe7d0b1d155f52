/**
 * What a router's choices show, as plain numbers: which experts work together, how often a choice repeats, how much of it follows from
 * the character alone, how early it settled (Jiang et al. 2024, Mixtral, section 5; Muennighoff et al. 2024, OLMoE, section 5).
 * N tokens, K choices, E experts; choices are flat, token by token: choice k of token n stands at n * K + k.
 */
import { at } from '../base/assertions'
import { ShapeError } from '../base/errors'
import type { RoutingNumbers } from '../show/inspection/contents'
import { entropyOf } from './statistics'

/** The choices of N tokens, best first. */
export interface Choices {
  /** [N * K] expert numbers. */
  readonly experts: ArrayLike<number>
  readonly topK: number
  readonly numExperts: number
}

const tokensOf = ({ experts, topK }: Choices): number => experts.length / topK

/** The chosen experts of one token, best first; a token that fewer than K experts serve has numExperts in the places that are left. */
function chosen({ experts, topK, numExperts }: Choices, token: number): number[] {
  return Array.from({ length: topK }, (_, k) => experts[token * topK + k] ?? Number.NaN).filter((expert) => expert < numExperts)
}

const square = (size: number): number[][] => Array.from({ length: size }, () => new Array<number>(size).fill(0))

/**
 * Co-activation: of the tokens that chose expert i, the share that chose j too; N_ij / N_i (OLMoE, eq. 8). The diagonal is 1; a row of an
 * expert that nobody chose is NaN.
 * @returns [E][E]
 */
export function coActivation(choices: Choices): number[][] {
  const both = square(choices.numExperts)
  for (let token = 0; token < tokensOf(choices); token++) {
    const experts = chosen(choices, token)
    for (const i of experts) for (const j of experts) at(both, i)[j] = (both[i]?.[j] ?? 0) + 1
  }
  return both.map((row, i) => row.map((count) => count / (row[i] ?? 0)))
}

/**
 * How often consecutive tokens repeat: the share whose first choice is the first choice of the token before, and the share whose first
 * choice is among the choices of the token before. At random: 1 / E, and K / E.
 * @param length tokens of a sequence; the first of each has no token before it
 */
export function repetition(choices: Choices, length: number): RoutingNumbers['repetition'] {
  let pairs = 0
  let first = 0
  let any = 0
  for (let token = 1; token < tokensOf(choices); token++) {
    if (token % length === 0) continue
    const before = chosen(choices, token - 1)
    const [now] = chosen(choices, token)
    pairs++
    if (now === undefined) continue
    if (now === before[0]) first++
    if (before.some((expert) => expert === now)) any++
  }
  return { first: first / pairs, any: any / pairs }
}

/**
 * Token specialization: of all choices made for a character (or a class of characters), the share that went to each expert; N_ec / N_c
 * (OLMoE, eq. 9). A class that never occurs has a row of NaN.
 * @param classes the class of each token, from 0; negative: left out
 * @returns [classes][E]; rows sum to 1
 */
export function specialization(choices: Choices, classes: ArrayLike<number>, numClasses: number): number[][] {
  if (classes.length !== tokensOf(choices))
    throw new ShapeError(`specialization: got ${classes.length} classes, expected one for each of ${tokensOf(choices)} tokens`)
  const counts = Array.from({ length: numClasses }, () => new Array<number>(choices.numExperts).fill(0))
  for (let token = 0; token < classes.length; token++) {
    const row = counts[classes[token] ?? -1]
    if (row) for (const expert of chosen(choices, token)) row[expert] = (row[expert] ?? 0) + 1
  }
  return counts.map((row) => {
    const total = row.reduce((sum, count) => sum + count, 0)
    return row.map((count) => count / total)
  })
}

/**
 * How much of the first choice follows from the character alone: the mutual information of the two as a share of the choice's entropy,
 * I(e; c) / H(e). 1: the router is a lookup table; 0: the character says nothing. NaN if all tokens chose the same expert. Few tokens of
 * many characters make it too large.
 * @param characters the token ids
 */
export function shareFromCharacter(choices: Choices, characters: ArrayLike<number>): number {
  if (characters.length !== tokensOf(choices))
    throw new ShapeError(`shareFromCharacter: got ${characters.length} characters, expected one for each of ${tokensOf(choices)} tokens`)
  const joint = new Map<string, number>()
  const ofCharacter = new Map<number, number>()
  const ofExpert = new Map<number, number>()
  const count = <Key>(counts: Map<Key, number>, key: Key): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  for (let token = 0; token < characters.length; token++) {
    const [character, expert] = [characters[token] ?? -1, choices.experts[token * choices.topK] ?? -1]
    count(joint, `${character}/${expert}`)
    count(ofCharacter, character)
    count(ofExpert, expert)
  }
  const entropy = (counts: ReadonlyMap<unknown, number>): number => entropyOf([...counts.values()])
  return (entropy(ofExpert) + entropy(ofCharacter) - entropy(joint)) / entropy(ofExpert)
}

/**
 * Saturation: the mean share of a token's final choices that were there already; |top-k(t) and top-k(final)| / k (OLMoE, eq. 7).
 * Where experts choose, a token may have fewer: it is then the share of all choices.
 * @throws ShapeError if the two are not of the same tokens
 */
export function saturation(early: Choices, final: Choices): number {
  if (early.experts.length !== final.experts.length || early.topK !== final.topK)
    throw new ShapeError(
      `saturation: got choices of ${early.experts.length} and ${final.experts.length}, expected the same tokens and top-k`,
    )
  let [kept, all] = [0, 0]
  for (let token = 0; token < tokensOf(final); token++) {
    const before = new Set(chosen(early, token))
    const now = chosen(final, token)
    kept += now.filter((expert) => before.has(expert)).length
    all += now.length
  }
  return kept / all
}
