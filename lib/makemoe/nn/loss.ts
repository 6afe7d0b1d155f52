/**
 * Cross-entropy of the next token: mean over all positions of -log softmax(logits)[target], in nats.
 */
import { ShapeError } from '../../base/errors'
import { crossEntropyRows } from '../../engine/tensor/cross-entropy'
import { lastSize } from '../../engine/tensor/shape'
import { type Tensor, tf } from '../../engine/tensor/tf'

/**
 * Mean cross-entropy in nats, $-\frac{1}{N} \sum_i \ln \mathrm{softmax}(z_i)_{t_i}$; float32 scalar.
 * @param logits float32 [..., V]
 * @param targets int32 [...]
 * @throws ShapeError if the shapes differ in more than the last axis
 */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  if (logits.shape.slice(0, -1).join() !== targets.shape.join())
    throw new ShapeError(
      `crossEntropy: got logits [${logits.shape.join(', ')}] and targets [${targets.shape.join(', ')}], expected [..., V] and [...]`,
    )
  return tf.mean(crossEntropyRows(tf.reshape(logits, [-1, lastSize(logits)]), tf.reshape(targets, [-1])))
}
