/**
 * Expert capacity: how many (token, choice) pairs an expert serves at most (Fedus et al. 2021, Switch Transformer, section 2.2; GShard's
 * top-2 form). What exceeds it is dropped: the token keeps its residual path alone.
 */

/**
 * The pairs that an expert may serve, $\lfloor N K / E \cdot factor \rfloor$, at least `minimum` (Fedus et al. 2021, section 2.2, eq. 3).
 * @param tokens N = B * T
 * @param topK K, choices of a token
 * @param numExperts E
 * @param factor 1: the even share
 * @param minimum the original allows 0, at which an expert serves nobody (with N = 1 to 3 at its defaults); ours is 1
 */
export function expertCapacity(tokens: number, topK: number, numExperts: number, factor: number, minimum = 1): number {
  return Math.max(minimum, Math.floor(((tokens * topK) / numExperts) * factor))
}

/** When experts have a capacity, and how large; without any of these: never. */
export interface CapacityOptions {
  /** Capacity while training, as a multiple of the even share; undefined: no token is dropped. */
  readonly capacityFactor?: number | undefined
  /** The same in evaluation (ST-MoE: 1.25 and 2; Zoph et al. 2022, section 4); undefined: as `capacityMode` says. */
  readonly evalCapacityFactor?: number | undefined
  /** The capacity in evaluation without a factor of its own: none (`training`, the default), or training's (`always`), as in the original. */
  readonly capacityMode?: 'training' | 'always'
  /** Pairs that an expert may serve at least, however small the factor; default 1, the original's 0. */
  readonly minCapacity?: number
}

/** The capacity factor that holds; undefined: no capacity. */
export function capacityFactorOf(
  { capacityFactor, evalCapacityFactor, capacityMode = 'training' }: CapacityOptions,
  training: boolean,
): number | undefined {
  if (training) return capacityFactor
  return evalCapacityFactor ?? (capacityMode === 'always' ? capacityFactor : undefined)
}
