/** `tf`: TensorFlow as everything else here imports it: loaded, with its missing gradients in place and the functions that it lacks. */
import { additions } from './additions'
import { registerGradients } from './gradients'
import { replaceKernels } from './kernels'
import { printTensors } from './print'
import { tf as tfjs } from './runtime'

printTensors(tfjs)
replaceKernels()
registerGradients()

type Additions = typeof additions
type Extended = Omit<typeof tfjs, keyof Additions> & Additions

/** tfjs, and oneHot of any depth, gelu, silu, stopGradient. */
export const tf: Extended = Object.create(tfjs, Object.getOwnPropertyDescriptors(additions))
export type { DataType, Rank, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, TensorLike, Variable } from './runtime'
