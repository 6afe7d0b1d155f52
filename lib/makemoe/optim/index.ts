/**
 * The optimizers by name: config field `optimizer`, option `--optimizer`. A new one is a file beside these and a line here.
 */
import { keysOf } from '../../base/assertions'
import { AdamW } from './adamw'
import { Lion } from './lion'
import { muon } from './muon'
import type { MakeOptimizer } from './optimizer'

/** The optimizers by name; each is made of a model's named parameters and options. */
export const optimizers = {
  adamw: (parameters, options) => new AdamW(parameters, options),
  lion: (parameters, options) => new Lion(parameters, options),
  muon,
} as const satisfies Record<string, MakeOptimizer>

export type OptimizerName = keyof typeof optimizers
export const optimizerNames = keysOf(optimizers)
