/** What the processes of a cluster are to each other, and what they can share out; without TensorFlow. */

import { ConfigError } from '../../base/errors'
import type { Config } from '../../makemoe/config'
import { acrossTokens } from '../../makemoe/moe/router/by-layer'

/** What is dealt out: experts and sequences, or sequences alone. */
export const parallelisms = ['experts', 'data'] as const
export type Parallelism = (typeof parallelisms)[number]

/** The exit status of a worker that has lost the others: a run can be resumed after it. */
export const lostStatus = 3

/** One of the processes that train together. */
export interface Member {
  /** `host:port` of each. */
  readonly hosts: readonly string[]
  /** Which of them this one is. */
  readonly index: number
  /** How long it waits for the others, in seconds. */
  readonly wait: number
}

/**
 * Checks that a config can be trained by this number of processes.
 * @param model once there is one: its routers may be others than the config's
 * @throws ConfigError
 */
export function checkShares(config: Config, size: number, parallel: Parallelism, model?: { looksAhead(): boolean }): void {
  const { batchSize, numExperts } = config
  const multiple = `expected a multiple of the ${size} workers`
  if (batchSize % size !== 0) throw new ConfigError(`batchSize: got ${batchSize} sequences in total, ${multiple}`)
  if (parallel === 'experts' && numExperts % size !== 0)
    throw new ConfigError(`numExperts: got ${numExperts}, ${multiple} (--parallel data takes any number)`)
  const router = acrossTokens(config) ?? (model?.looksAhead() ? 'one that decides by other tokens too' : undefined)
  if (router !== undefined)
    throw new ConfigError(`router: got ${router} with ${size} workers, expected one that decides for each token by itself`)
}
