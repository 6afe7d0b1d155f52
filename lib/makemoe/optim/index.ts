/**
 * The optimizers by name: config field `optimizer`, option `--optimizer`. A new one is a file beside these and a line here.
 * Each is loaded when it is made, so that the names can be had without TensorFlow.
 */
import { keysOf } from '../../base/assertions'
import type { MakeOptimizer } from './optimizer'

export const optimizers = {
  adamw: (parameters, options) => new (require('./adamw') as typeof import('./adamw')).AdamW(parameters, options),
  lion: (parameters, options) => new (require('./lion') as typeof import('./lion')).Lion(parameters, options),
} as const satisfies Record<string, MakeOptimizer>

export type OptimizerName = keyof typeof optimizers
export const optimizerNames = keysOf(optimizers)
