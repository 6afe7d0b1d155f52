/**
 * What a training step of each variant costs, measured in turns: every variant for a while, and again, so that whatever else the machine
 * does meanwhile hits all of them alike.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { compile } from '../engine/graph/compile'
import type { Config } from '../makemoe/config'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { median } from './statistics'
import { openTraining } from './training'
import { changedBy, type Variant, type Variants } from './variants'

export interface TimingOptions {
  /** What all variants share. */
  readonly config: Config
  readonly dataset: Dataset
  readonly vocabSize: number
  /** Default: one graph a step. */
  readonly compile?: Compile
  readonly signal?: AbortSignal
  /** How often each variant has its turn. Default: 3. */
  readonly rounds?: number
  /** Steps of a turn that are timed. Default: 20. */
  readonly steps?: number
  readonly onTurn?: (variant: string, round: number, rounds: number) => void
}

/** Steps of a turn that are not timed: the first ones are traced. */
const untimed = 3

/**
 * Times the training steps of variants.
 * @returns milliseconds of a step by variant: the median over all turns; undefined if the signal stopped it
 */
export async function stepTimes(variants: Variants, options: TimingOptions): Promise<Record<string, number> | undefined> {
  const { rounds = 3, steps = 20, signal, onTurn } = options
  const times: Record<string, number[]> = {}
  for (let round = 1; round <= rounds; round++)
    for (const [name, variant] of Object.entries(variants)) {
      onTurn?.(name, round, rounds)
      await nextTurn() // signals get their turn
      if (signal?.aborted) return undefined
      times[name] = [...(times[name] ?? []), ...turn(variant, options, steps)]
    }
  return Object.fromEntries(Object.entries(times).map(([name, own]) => [name, median(own)]))
}

/** One variant's turn: milliseconds of each timed step. */
function turn(variant: Variant, options: TimingOptions, steps: number): number[] {
  const config = changedBy(options.config, variant)
  const { trainer, dispose } = openTraining(config, variant, options, { compile: options.compile ?? compile })
  try {
    for (let step = 0; step < untimed; step++) trainer.trainOnce()
    return Array.from({ length: steps }, () => {
      const start = performance.now()
      trainer.trainOnce()
      return performance.now() - start
    })
  } finally {
    dispose()
  }
}
