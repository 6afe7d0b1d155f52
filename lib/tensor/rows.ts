/**
 * Splitting and joining rows by sizes that are a tensor, known only when the op runs. Registered as tfjs kernels with gradients, since a
 * custom gradient has one output only.
 */
import { multiOp, op } from './op'
import { type Tensor, tf } from './tf'

let registered = false

function register(): void {
  if (registered) return
  registered = true
  const backendName = 'tensorflow'
  tf.registerKernel({
    kernelName: 'SplitRows',
    backendName,
    kernelFunc: ({ inputs }) => {
      const { x, sizes } = inputs as unknown as { x: Tensor; sizes: Tensor }
      const count = sizes.shape[0] as number
      return multiOp('SplitV', [x, sizes, tf.scalar(0, 'int32')], count, { num_split: count, T: { type: x.dtype } })
    },
  })
  tf.registerGradient({
    kernelName: 'SplitRows',
    inputsToSave: ['sizes'],
    gradFunc: (dy, saved) => {
      const [sizes] = saved as [Tensor]
      return { x: () => concatRows(dy as Tensor[], sizes), sizes: () => tf.zeros(sizes.shape) }
    },
  })
  tf.registerKernel({
    kernelName: 'ConcatRows',
    backendName,
    kernelFunc: ({ inputs }) => {
      const { sizes, ...parts } = inputs as unknown as Record<string, Tensor>
      return op('ConcatV2', [...Object.values(parts), tf.scalar(0, 'int32')], { N: Object.keys(parts).length, T: { type: 'float32' } })
    },
  })
  tf.registerGradient({
    kernelName: 'ConcatRows',
    inputsToSave: ['sizes'],
    gradFunc: (dy, saved) => {
      const [sizes] = saved as [Tensor]
      const pieces = splitRows(dy as Tensor, sizes)
      const gradients = Object.fromEntries(pieces.map((piece, i) => [`part${i}`, () => piece]))
      return { ...gradients, sizes: () => tf.zeros(sizes.shape) }
    },
  })
}

/**
 * Cuts rows into consecutive pieces.
 * @param x float32 [S, ...]
 * @param sizes int32 [E], summing to S
 * @returns E tensors [sizes_e, ...]
 */
export function splitRows(x: Tensor, sizes: Tensor): Tensor[] {
  register()
  return tf.engine().runKernel('SplitRows', { x, sizes }) as Tensor[]
}

/**
 * Joins pieces again.
 * @param parts E tensors [sizes_e, ...]
 * @param sizes int32 [E]
 * @returns float32 [S, ...]
 */
export function concatRows(parts: readonly Tensor[], sizes: Tensor): Tensor {
  register()
  return tf.engine().runKernel('ConcatRows', { ...Object.fromEntries(parts.map((part, i) => [`part${i}`, part])), sizes }) as Tensor
}
