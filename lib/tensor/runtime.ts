/**
 * The one place that loads TensorFlow. It supplies what newer Node versions no longer have and keeps TensorFlow's start-up lines from the
 * reader (its real errors still pass).
 */
import { withQuietStderr } from './quiet'

// Deprecated (with a warning) or removed in newer Node versions, still called by tfjs-node.
const util = require('node:util') as Record<string, unknown>
util.isNullOrUndefined = (value: unknown) => value === null || value === undefined
util.isArray = Array.isArray

process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'
// All contexts of a process share the threads inside ops of the first one, tfjs's, unless this is set: compiled functions would then get
// as many as there are cores, whatever `defaultThreads` says (122 ms a step instead of 84, on 2 cores).
process.env.TF_OVERRIDE_GLOBAL_THREADPOOL ??= '1'

export const tf = withQuietStderr(() => require('@tensorflow/tfjs-node-gpu') as typeof import('@tensorflow/tfjs-node-gpu'))
export type { Rank, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Variable } from '@tensorflow/tfjs-node-gpu'
