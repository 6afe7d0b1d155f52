/**
 * `tf`: TensorFlow as everything else here imports it, with its missing gradients in place and the functions that it lacks. It is loaded
 * when it is first used, so that whoever only wants names (the commands' options) can import what computes with it.
 */
import { lazyExport } from '../../base/lazy-export'
import { additions } from './additions'
import { registerGradients } from './gradients'
import { replaceKernels } from './kernels'
import { nameMissingGradients } from './missing-gradients'
import { printTensors } from './print'
import { tf as tfjs } from './runtime'

type Additions = typeof additions
type Extended = Omit<typeof tfjs, keyof Additions> & Additions

function load(): Extended {
  printTensors(tfjs)
  replaceKernels()
  registerGradients()
  nameMissingGradients()
  return Object.create(tfjs, Object.getOwnPropertyDescriptors(additions))
}

/** tfjs, and oneHot of any depth, gelu, silu, stopGradient. */
export declare const tf: Extended
lazyExport<{ tf: Extended }, 'tf'>(exports, 'tf', load)

export type { DataType, Rank, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, TensorLike, Variable } from './runtime'
