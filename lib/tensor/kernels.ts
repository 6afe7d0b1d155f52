/**
 * Kernels of tfjs-node that we replace: its gather reads the indices back to JavaScript to check them, which costs a copy in eager mode
 * and is impossible in a graph. TensorFlow's own op checks them too.
 */
import { op } from './op'
import { type Tensor, tf } from './runtime'

/** Replaces the kernels; a second call does nothing. */
export function replaceKernels(): void {
  const backendName = 'tensorflow'
  if (tf.getKernel('GatherV2', backendName)?.kernelFunc === gather) return
  tf.unregisterKernel('GatherV2', backendName)
  tf.registerKernel({ kernelName: 'GatherV2', backendName, kernelFunc: gather })
}

const gather: NonNullable<ReturnType<typeof tf.getKernel>>['kernelFunc'] = ({ inputs, attrs }) => {
  const { x, indices } = inputs as unknown as { x: Tensor; indices: Tensor }
  const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number }
  return op('GatherV2', [x, indices, tf.scalar(axis, 'int32')], { batch_dims: batchDims })
}
