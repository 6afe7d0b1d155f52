/**
 * Gradients that tfjs lacks or writes wastefully, registered once for the kernels themselves, so that plain tfjs ops (topk, gatherND,
 * slice with strides, einsum, matMul with broadcast batches) can be differentiated wherever they are used.
 */
import { at } from '../../base/assertions'
import { oneHot } from './additions'
import { gradient } from './kernel-types'
import { op } from './op'
import { type Tensor, tf } from './runtime'

/** Sums `gradient` down to `shape`: the reverse of broadcasting. */
function unbroadcast(gradient: Tensor, shape: readonly number[]): Tensor {
  const extra = gradient.rank - shape.length
  const axes = gradient.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < extra || (shape[axis - extra] === 1 && gradient.shape[axis] !== 1))
  const summed = axes.length > 0 ? tf.sum(gradient, axes) : gradient
  return tf.reshape(summed, [...shape])
}

/** d(a b): each side's gradient, with broadcast batch dimensions summed away. */
function batchMatMulGradient(dy: Tensor, a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Record<string, () => Tensor> {
  if (b.rank === 2 && a.rank > 2 && !transposeA) {
    // [..., T, C] x [C, D]: all rows at once, so that the weight's gradient is one product instead of a sum of products.
    const rows = (x: Tensor): Tensor => tf.reshape(x, [-1, at(x.shape, x.rank - 1)])
    return {
      a: () => tf.reshape(tf.matMul(rows(dy), b, false, !transposeB), a.shape),
      b: () => (transposeB ? tf.matMul(rows(dy), rows(a), true, false) : tf.matMul(rows(a), rows(dy), true, false)),
    }
  }
  const da = (): Tensor => (transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB))
  const db = (): Tensor => (transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA, false))
  return { a: () => unbroadcast(da(), a.shape), b: () => unbroadcast(db(), b.shape) }
}

/** The gradient of TopK puts dy back at the places that were chosen; all others get exactly zero. */
function topKGradient(dy: Tensor | Tensor[], x: Tensor, indices: Tensor): Tensor {
  const dValues = Array.isArray(dy) ? at(dy, 0) : dy
  const chosen = oneHot(tf.cast(indices, 'int32'), at(x.shape, x.rank - 1), 1, 0, 'float32')
  return tf.sum(tf.mul(tf.expandDims(dValues, -1), chosen), -2)
}

/** `ij,jk->ik` and the like: the gradient of an operand is an einsum again, with the result in its place. */
function einsumGradient(dy: Tensor, equation: string, inputs: readonly Tensor[], which: number): Tensor {
  const [left = '', right = ''] = equation.replace(/\s/g, '').split('->')
  const terms = left.split(',')
  const target = at(terms, which)
  if (new Set(target).size !== target.length) throw new Error(`no gradient of einsum with a repeated letter in one term: ${equation}`)
  const others = terms.filter((_, i) => i !== which)
  const known = [...target].filter((letter) => right.includes(letter) || others.some((term) => term.includes(letter))).join('')
  const operands = [dy, ...inputs.filter((_, i) => i !== which)]
  const part = op('Einsum', operands, { equation: `${[right, ...others].join(',')}->${known}`, N: operands.length, T: { type: 'float32' } })
  // Letters that occur in this operand alone were summed over: their gradient is the same everywhere.
  const x = at(inputs, which)
  const kept = [...target].map((letter, axis) => (known.includes(letter) ? at(x.shape, axis) : 1))
  return tf.broadcastTo(tf.reshape(part, kept), x.shape)
}

/** tfjs hands the gradients of several outputs over in a list, but that of a single one bare, which its own Unpack and SplitV trip over. */
export const asList = (dy: Tensor | Tensor[]): Tensor[] => (Array.isArray(dy) ? dy : [dy])

type StridedSliceAttributes = Readonly<
  Record<'begin' | 'end' | 'strides', number[]> &
    Record<'beginMask' | 'endMask' | 'ellipsisMask' | 'newAxisMask' | 'shrinkAxisMask', number>
>

/** Registers all gradients; to be called once. */
export function registerGradients(): void {
  tf.registerGradient({
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: gradient((dy: Tensor, [a, b]: [Tensor, Tensor], { transposeA, transposeB }: Readonly<Record<string, boolean>>) =>
      batchMatMulGradient(dy, a, b, transposeA === true, transposeB === true),
    ),
  })
  tf.registerGradient({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: gradient((dy: Tensor, [y]: [Tensor]) => ({ x: () => op('ReluGrad', [dy, y]) })),
  })
  for (const kernelName of ['Unpack', 'SplitV']) {
    const ofSeveral = tf.getGradient(kernelName)
    tf.registerGradient({ ...ofSeveral, gradFunc: (dy, saved, attributes) => ofSeveral.gradFunc(asList(dy) as never, saved, attributes) })
  }
  const gather = tf.getGradient('GatherV2')
  tf.registerGradient({
    ...gather,
    // tfjs gives the indices an integer gradient, which its own check refuses.
    gradFunc: (dy, saved, attributes) => ({
      ...gather.gradFunc(dy, saved, attributes),
      indices: () => tf.zeros(at(saved, 1).shape),
    }),
  })
  tf.registerGradient({
    kernelName: 'TopK',
    inputsToSave: ['x'],
    outputsToSave: [false, true],
    gradFunc: gradient((dy: Tensor | Tensor[], [x, indices]: [Tensor, Tensor]) => ({ x: () => topKGradient(dy, x, indices) })),
  })
  tf.registerGradient({
    kernelName: 'GatherNd',
    inputsToSave: ['params', 'indices'],
    gradFunc: gradient((dy: Tensor, [params, indices]: [Tensor, Tensor]) => ({
      params: () => tf.scatterND(indices, dy, params.shape),
      indices: () => tf.zeros(indices.shape),
    })),
  })
  tf.registerGradient({
    kernelName: 'ScatterNd',
    inputsToSave: ['indices'],
    gradFunc: gradient((dy: Tensor, [indices]: [Tensor]) => ({
      updates: () => tf.gatherND(dy, indices),
      indices: () => tf.zeros(indices.shape),
    })),
  })
  tf.registerGradient({
    kernelName: 'StridedSlice',
    inputsToSave: ['x'],
    gradFunc: gradient((dy: Tensor, [x]: [Tensor], attributes: StridedSliceAttributes) => {
      const lists = [x.shape, attributes.begin, attributes.end, attributes.strides].map((list) => tf.tensor1d(list, 'int32'))
      const masks = {
        begin_mask: attributes.beginMask,
        end_mask: attributes.endMask,
        ellipsis_mask: attributes.ellipsisMask,
        new_axis_mask: attributes.newAxisMask,
        shrink_axis_mask: attributes.shrinkAxisMask,
      }
      return { x: () => op('StridedSliceGrad', [...lists, dy], masks) }
    }),
  })
  tf.registerGradient({
    kernelName: 'Einsum',
    // All operands are saved in order; tfjs names them tensors_0, tensors_1, ...
    saveAllInputs: true,
    inputsToSave: [],
    gradFunc: gradient((dy: Tensor, saved: Tensor[], { equation }: { equation: string }) =>
      Object.fromEntries(saved.map((_, i) => [i, () => einsumGradient(dy, equation, saved, i)])),
    ),
  })
}
