/**
 * Splitting and joining rows by sizes that are a tensor, known only when the op runs. Registered as tfjs kernels with gradients, since a
 * custom gradient has one output only.
 */
import { at } from '../../base/assertions'
import { asList } from './gradients'
import { gradient, kernel } from './kernel-types'
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
    kernelFunc: kernel(({ x, sizes }: { x: Tensor; sizes: Tensor }) => {
      const count = at(sizes.shape, 0)
      if (count === 1) return [op('Identity', [x])] // a trace then knows that the piece is as long as the whole
      return multiOp('SplitV', [x, sizes, tf.scalar(0, 'int32')], count, { num_split: count, T: { type: x.dtype } })
    }),
  })
  tf.registerGradient({
    kernelName: 'SplitRows',
    inputsToSave: ['sizes'],
    gradFunc: gradient((dy: Tensor | Tensor[], [sizes]: [Tensor]) => ({
      x: () => concatRows(asList(dy), sizes),
      sizes: () => tf.zeros(sizes.shape),
    })),
  })
  tf.registerKernel({
    kernelName: 'ConcatRows',
    backendName,
    kernelFunc: kernel(({ sizes: _, ...named }: Readonly<Record<string, Tensor>>) => {
      const parts = Object.values(named)
      if (parts.length === 1) return op('Identity', parts) // ConcatV2 takes two or more
      return op('ConcatV2', [...parts, tf.scalar(0, 'int32')], { N: parts.length, T: { type: 'float32' } })
    }),
  })
  tf.registerGradient({
    kernelName: 'ConcatRows',
    inputsToSave: ['sizes'],
    gradFunc: gradient((dy: Tensor, [sizes]: [Tensor]) => {
      const pieces = splitRows(dy, sizes)
      const gradients = Object.fromEntries(pieces.map((piece, i) => [`part${i}`, () => piece]))
      return { ...gradients, sizes: () => tf.zeros(sizes.shape) }
    }),
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
  return asList(tf.engine().runKernel('SplitRows', { x, sizes }))
}

/**
 * Joins pieces again.
 * @param parts E tensors [sizes_e, ...]
 * @param sizes int32 [E]
 * @returns float32 [S, ...]
 */
export function concatRows(parts: readonly Tensor[], sizes: Tensor): Tensor {
  register()
  return tf.engine().runKernel<Tensor>('ConcatRows', { ...Object.fromEntries(parts.map((part, i) => [`part${i}`, part])), sizes })
}
