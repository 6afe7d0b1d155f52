/** Softmax cross-entropy as TensorFlow's fused op, which gives the gradient with the value. */
import { at } from '../../base/assertions'
import { customGradient } from './custom-gradient'
import { multiOp } from './op'
import { type Tensor, tf } from './tf'

/**
 * The cross-entropy of every row, in nats: log sum_v exp(logits_v) - logits_target.
 * @param logits float32 [N, V]
 * @param targets int32 [N]
 * @returns float32 [N]
 */
export function crossEntropyRows(logits: Tensor, targets: Tensor): Tensor {
  return customGradient(
    [logits],
    (logits) => {
      const outputs = multiOp('SparseSoftmaxCrossEntropyWithLogits', [logits, targets], 2, { Tlabels: { type: 'int32' } })
      return { value: at(outputs, 0), save: [at(outputs, 1)] }
    },
    (dy, [dLogits]) => [tf.mul(dLogits, tf.expandDims(dy, -1))],
  )
}
