/**
 * Cross-entropy of the next character: mean over all places of -log softmax(logits)[target], in nats.
 */
import { ShapeError } from '../errors'
import { customGradient } from '../tensor/custom-gradient'
import { multiOp } from '../tensor/op'
import { type Tensor, tf } from '../tensor/tf'

/**
 * The cross-entropy of every row, in nats: log sum_v exp(logits_v) - logits_target.
 * @param logits float32 [N, V]
 * @param targets int32 [N]
 * @returns float32 [N]
 */
export function crossEntropyRows(logits: Tensor, targets: Tensor): Tensor {
  return customGradient([logits], ([logits], save) => {
    const [rows, dLogits] = multiOp('SparseSoftmaxCrossEntropyWithLogits', [logits as Tensor, targets], 2, { Tlabels: { type: 'int32' } })
    save([dLogits as Tensor])
    return {
      value: rows as Tensor,
      gradient: (dy, [dLogits]) => [tf.mul(dLogits as Tensor, tf.expandDims(dy, -1))],
    }
  })
}

/**
 * Mean cross-entropy in nats.
 * @param logits float32 [..., V]
 * @param targets int32 [...]
 * @throws ShapeError if the shapes differ in more than the last axis
 */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  if (logits.shape.slice(0, -1).join() !== targets.shape.join())
    throw new ShapeError(
      `crossEntropy: got logits [${logits.shape.join(', ')}] and targets [${targets.shape.join(', ')}], expected [..., V] and [...]`,
    )
  const classes = logits.shape[logits.rank - 1] as number
  return tf.mean(crossEntropyRows(tf.reshape(logits, [-1, classes]), tf.reshape(targets, [-1])))
}
