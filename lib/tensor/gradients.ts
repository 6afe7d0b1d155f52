/**
 * Gradients that tfjs lacks or writes wastefully, registered once for the kernels themselves, so that plain tfjs ops (topk, gatherND,
 * slice with strides, einsum, matMul with broadcast batches) can be differentiated wherever they are used.
 */
import { op } from './op'
import { type Tensor, type Tensor1D, tf } from './runtime'

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
    const rows = (x: Tensor): Tensor => tf.reshape(x, [-1, x.shape[x.rank - 1] as number])
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
  const dValues = Array.isArray(dy) ? (dy[0] as Tensor) : dy
  const chosen = tf.oneHot(tf.cast(indices, 'int32'), x.shape[x.rank - 1] as number, 1, 0, 'float32')
  return tf.sum(tf.mul(tf.expandDims(dValues, -1), chosen), -2)
}

/** `ij,jk->ik` and the like: the gradient of an operand is an einsum again, with the result in its place. */
function einsumGradient(dy: Tensor, equation: string, inputs: readonly Tensor[], which: number): Tensor {
  const [left = '', right = ''] = equation.replace(/\s/g, '').split('->')
  const terms = left.split(',')
  const target = terms[which] as string
  if (new Set(target).size !== target.length) throw new Error(`no gradient of einsum with a repeated letter in one term: ${equation}`)
  const others = terms.filter((_, i) => i !== which)
  const known = [...target].filter((letter) => right.includes(letter) || others.some((term) => term.includes(letter))).join('')
  const operands = [dy, ...inputs.filter((_, i) => i !== which)]
  const part = op('Einsum', operands, { equation: `${[right, ...others].join(',')}->${known}`, N: operands.length, T: { type: 'float32' } })
  // Letters that occur in this operand alone were summed over: their gradient is the same everywhere.
  const x = inputs[which] as Tensor
  const kept = [...target].map((letter, axis) => (known.includes(letter) ? (x.shape[axis] as number) : 1))
  return tf.broadcastTo(tf.reshape(part, kept), x.shape)
}

let registered = false

/** Registers all gradients; a second call does nothing. */
export function registerGradients(): void {
  if (registered) return
  registered = true
  const attribute = <T>(attributes: unknown, name: string): T => (attributes as Record<string, T>)[name] as T

  tf.registerGradient({
    kernelName: 'BatchMatMul',
    inputsToSave: ['a', 'b'],
    gradFunc: (dy, saved, attributes) => {
      const [a, b] = saved as [Tensor, Tensor]
      return batchMatMulGradient(dy as Tensor, a, b, attribute(attributes, 'transposeA'), attribute(attributes, 'transposeB'))
    },
  })
  tf.registerGradient({
    kernelName: 'Relu',
    outputsToSave: [true],
    gradFunc: (dy, saved) => ({ x: () => op('ReluGrad', [dy as Tensor, saved[0] as Tensor]) }),
  })
  const gather = tf.getGradient('GatherV2')
  tf.registerGradient({
    ...gather,
    // tfjs gives the indices an integer gradient, which its own check refuses.
    gradFunc: (dy, saved, attributes) => ({
      ...gather.gradFunc(dy, saved, attributes),
      indices: () => tf.zeros((saved[1] as Tensor).shape),
    }),
  })
  tf.registerGradient({
    kernelName: 'TopK',
    inputsToSave: ['x'],
    outputsToSave: [false, true],
    gradFunc: (dy, saved) => ({ x: () => topKGradient(dy, saved[0] as Tensor, saved[1] as Tensor) }),
  })
  tf.registerGradient({
    kernelName: 'GatherNd',
    inputsToSave: ['params', 'indices'],
    gradFunc: (dy, saved) => {
      const [params, indices] = saved as [Tensor, Tensor]
      return {
        params: () => tf.scatterND(indices, dy as Tensor, params.shape),
        indices: () => tf.zeros(indices.shape),
      }
    },
  })
  tf.registerGradient({
    kernelName: 'ScatterNd',
    inputsToSave: ['indices'],
    gradFunc: (dy, saved) => {
      const [indices] = saved as [Tensor]
      return { updates: () => tf.gatherND(dy as Tensor, indices), indices: () => tf.zeros(indices.shape) }
    },
  })
  tf.registerGradient({
    kernelName: 'StridedSlice',
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attributes) => {
      const [x] = saved as [Tensor]
      const list = (name: string): Tensor1D => tf.tensor1d(attribute<number[]>(attributes, name), 'int32')
      const masks = {
        begin_mask: attribute<number>(attributes, 'beginMask'),
        end_mask: attribute<number>(attributes, 'endMask'),
        ellipsis_mask: attribute<number>(attributes, 'ellipsisMask'),
        new_axis_mask: attribute<number>(attributes, 'newAxisMask'),
        shrink_axis_mask: attribute<number>(attributes, 'shrinkAxisMask'),
      }
      return {
        x: () => op('StridedSliceGrad', [tf.tensor1d(x.shape, 'int32'), list('begin'), list('end'), list('strides'), dy as Tensor], masks),
      }
    },
  })
  tf.registerGradient({
    kernelName: 'Einsum',
    // All operands are saved in order; tfjs names them tensors_0, tensors_1, ...
    saveAllInputs: true,
    inputsToSave: [],
    gradFunc: (dy, saved, attributes) => {
      const equation = attribute<string>(attributes, 'equation')
      return Object.fromEntries(saved.map((_, i) => [i, () => einsumGradient(dy as Tensor, equation, saved, i)]))
    },
  })
}
