/** `tf`: TensorFlow as everything else here imports it, loaded and with its missing gradients in place. */
import { registerGradients } from './gradients'
import { replaceKernels } from './kernels'
import { tf } from './runtime'

replaceKernels()
registerGradients()

export type { Rank, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Variable } from './runtime'
export { tf }
