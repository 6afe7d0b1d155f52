/**
 * Kernels of tfjs-node that we replace, for eager and graph mode alike:
 * - gather reads the indices back to JavaScript to check them, which is impossible in a graph; TensorFlow's own op checks them too;
 * - matMul is always a batched product: two matrices, or rows and a matrix, go to MatMul, which TensorFlow can fuse with what follows;
 * - adding a bias to rows is BiasAdd, for the same reason;
 * - split with a list of sizes adds them up to check them, while sizes that depend on data are no numbers yet when a function is traced.
 */
import { at } from '../../base/assertions'
import { type KernelFunc, kernel } from './kernel-types'
import { multiOp, op } from './op'
import { type Tensor, tf } from './runtime'

type Two = Readonly<Record<'a' | 'b', Tensor>>

const gather = kernel(
  ({ x, indices }: { x: Tensor; indices: Tensor }, { axis, batchDims }: { axis: number; batchDims: number }): Tensor =>
    op('GatherV2', [x, indices, tf.scalar(axis, 'int32')], { batch_dims: batchDims }),
)

const matMul = kernel(({ a, b }: Two, { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean }): Tensor => {
  if (b.rank !== 2 || (a.rank !== 2 && transposeA)) return op('BatchMatMulV2', [a, b], { adj_x: transposeA, adj_y: transposeB })
  const matrix = (x: Tensor): Tensor => op('MatMul', [x, b], { transpose_a: transposeA, transpose_b: transposeB })
  if (a.rank === 2) return matrix(a)
  const product = matrix(tf.reshape(a, [-1, at(a.shape, a.rank - 1)]))
  return tf.reshape(product, [...a.shape.slice(0, -1), at(product.shape, 1)])
})

const biasAdd = kernel(({ a, b }: Two): Tensor => op('BiasAdd', [a, b]))

/** @param plainAdd for what is no bias */
const addOr =
  (plainAdd: KernelFunc): KernelFunc =>
  (params) => {
    const { a, b } = params.inputs
    if (!a || !b) return plainAdd(params)
    const areFloats = a.dtype === 'float32' && b.dtype === 'float32'
    const isBias = areFloats && a.shape.length === 2 && b.shape.length === 1 && a.shape[1] === b.shape[0]
    return isBias ? biasAdd(params) : plainAdd(params)
  }

const splitV = kernel(({ x }: { x: Tensor }, attributes: { numOrSizeSplits: number | number[]; axis: number }): Tensor[] => {
  const axis = at(tf.util.parseAxisParam(attributes.axis, x.shape), 0)
  const { numOrSizeSplits: given } = attributes
  const sizes = typeof given === 'number' ? tf.backend_util.prepareSplitSize(x, given, axis) : given
  const operands = [x, tf.tensor1d(sizes, 'int32'), tf.scalar(axis, 'int32')]
  return multiOp('SplitV', operands, sizes.length, { num_split: sizes.length, T: { type: x.dtype } })
})

/** Replaces the kernels; to be called once. */
export function replaceKernels(): void {
  const backendName = 'tensorflow'
  const replacements: Readonly<Record<string, KernelFunc>> = {
    GatherV2: gather,
    BatchMatMul: matMul,
    Add: addOr(tf.getKernel('Add', backendName).kernelFunc),
    SplitV: splitV,
  }
  for (const [kernelName, kernelFunc] of Object.entries(replacements)) {
    tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({ kernelName, backendName, kernelFunc })
  }
}
