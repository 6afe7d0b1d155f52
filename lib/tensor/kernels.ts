/**
 * Kernels of tfjs-node that we replace, for eager and graph mode alike:
 * - gather reads the indices back to JavaScript to check them, which is impossible in a graph; TensorFlow's own op checks them too;
 * - matMul is always a batched product: two matrices, or rows and a matrix, go to MatMul, which TensorFlow can fuse with what follows;
 * - adding a bias to rows is BiasAdd, for the same reason.
 */
import { op } from './op'
import { type Tensor, tf } from './runtime'

type KernelFunc = NonNullable<ReturnType<typeof tf.getKernel>>['kernelFunc']
type Inputs = Readonly<Record<string, Tensor>>

const gather: KernelFunc = ({ inputs, attrs }) => {
  const { x, indices } = inputs as unknown as Inputs
  const { axis, batchDims } = attrs as unknown as { axis: number; batchDims: number }
  return op('GatherV2', [x as Tensor, indices as Tensor, tf.scalar(axis, 'int32')], { batch_dims: batchDims })
}

const matMul: KernelFunc = ({ inputs, attrs }) => {
  const { a, b } = inputs as unknown as Readonly<Record<'a' | 'b', Tensor>>
  const { transposeA, transposeB } = attrs as unknown as { transposeA: boolean; transposeB: boolean }
  if (b.rank !== 2 || (a.rank !== 2 && transposeA)) return op('BatchMatMulV2', [a, b], { adj_x: transposeA, adj_y: transposeB })
  const matrix = (x: Tensor): Tensor => op('MatMul', [x, b], { transpose_a: transposeA, transpose_b: transposeB })
  if (a.rank === 2) return matrix(a)
  const product = matrix(tf.reshape(a, [-1, a.shape[a.rank - 1] as number]))
  return tf.reshape(product, [...a.shape.slice(0, -1), product.shape[1] as number])
}

const plainAdd = tf.getKernel('Add', 'tensorflow').kernelFunc

const add: KernelFunc = (params) => {
  const { a, b } = params.inputs as unknown as Readonly<Record<'a' | 'b', Tensor>>
  const isBias = a.dtype === 'float32' && b.dtype === 'float32' && a.rank === 2 && b.rank === 1 && a.shape[1] === b.shape[0]
  return isBias ? op('BiasAdd', [a, b]) : plainAdd(params)
}

const replacements: readonly (readonly [kernelName: string, kernelFunc: KernelFunc])[] = [
  ['GatherV2', gather],
  ['BatchMatMul', matMul],
  ['Add', add],
]

/** Replaces the kernels; a second call does nothing. */
export function replaceKernels(): void {
  const backendName = 'tensorflow'
  for (const [kernelName, kernelFunc] of replacements) {
    if (tf.getKernel(kernelName, backendName).kernelFunc === kernelFunc) continue
    tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({ kernelName, backendName, kernelFunc })
  }
}
