/**
 * Expert capacity: how many (token, choice) pairs an expert serves at most (Fedus et al. 2021, Switch Transformer, section 2.2; GShard's
 * top-2 form). What exceeds it is dropped: the token keeps its residual path alone.
 */

/**
 * The pairs that an expert may serve, $\lfloor N K / E \cdot factor \rfloor$, at least `minimum`.
 * @param tokens N = B * T
 * @param minimum the original allows 0, at which an expert serves nobody (with N = 1 to 3 at its defaults); ours is 1
 */
export function expertCapacity(tokens: number, topK: number, numExperts: number, factor: number, minimum = 1): number {
  return Math.max(minimum, Math.floor(((tokens * topK) / numExperts) * factor))
}
