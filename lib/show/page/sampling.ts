/** Drawing the next token: temperature, top-k, top-p, and a seeded generator, the same in Node and in every browser. */
import { softmax } from './ops'

export interface Sampling {
  /** Logits are divided by it: below 1 more greedy, above 1 more random; 0 takes the best. */
  readonly temperature: number
  /** Draw among the k most likely characters. */
  readonly topK?: number | undefined
  /** Draw among the fewest best that together have this probability (Holtzman et al. 2020). */
  readonly topP?: number | undefined
}

/**
 * The probabilities with which the next token is drawn; what ties with the last one that stays, stays too.
 * @param logits [V]
 * @returns [V], summing to 1
 */
export function probabilities(logits: Float32Array, { temperature, topK, topP }: Sampling): Float32Array {
  const best = (values: Float32Array, n: number): number => values.slice().sort().at(-n) as number // the n-th largest
  const keep = temperature === 0 ? 1 : Math.min(topK ?? logits.length, logits.length)
  const lowest = best(logits, keep)
  const highest = Math.max(...logits) // differences to it fit into float32 whatever the temperature
  const p = softmax(logits.map((logit) => (logit < lowest ? Number.NEGATIVE_INFINITY : (logit - highest) / (temperature || 1))))
  if (topP === undefined || topP >= 1) return p
  let sum = 0
  let least = 1
  for (const probability of p.slice().sort().reverse()) {
    if (sum >= topP) break
    sum += probability
    least = probability
  }
  const kept = p.map((probability) => (probability < least ? 0 : probability))
  const total = kept.reduce((a, b) => a + b, 0)
  return kept.map((probability) => probability / total)
}

/** Uniform on [0, 1): the generator mulberry32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** N(0, 1) of two uniform numbers (Box & Muller 1958). */
export const normalFrom = (random: () => number) => (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** The index that a uniform number on [0, 1) falls on. */
export function draw(probabilities: Float32Array, uniform: number): number {
  let left = uniform
  let last = 0
  for (let i = 0; i < probabilities.length; i++) {
    if (probabilities[i] === 0) continue
    if (left < probabilities[i]) return i
    left -= probabilities[i]
    last = i
  }
  return last // the probabilities add up to a little less than 1
}
