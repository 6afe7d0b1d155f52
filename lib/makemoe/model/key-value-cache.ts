/**
 * KeyValueCache: the keys and values of a text so far, so that the next character costs a forward pass of one position instead of all.
 *
 * Positions are absolute (each has its embedding), so the cache is good for the first T characters only: when the window slides, every
 * character's position changes, and with it all keys and values. From then on the whole window is computed for each character.
 */
import { at } from '../../base/assertions'
import { op } from '../../engine/tensor/op'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import type { EarlierTokens } from '../nn/ngram-embedding'

/** Shape [S, H, T, D]: sequences, heads, positions, head size. */
type CacheShape = readonly [sequences: number, heads: number, positions: number, headSize: number]

/** Keys and values of earlier positions, for a forward pass of one position a sequence. S sequences, H heads, T positions, D head size. */
export interface CacheAtPosition {
  /** The position that each sequence is at; int32 [S]. */
  readonly position: Tensor
  /** 0 for the positions that may be looked at, -inf for others: float32 [S, 1, 1, T]. */
  readonly mask: Tensor
  /**
   * Keeps a layer's keys and values of this position, both [S, H, 1, D].
   * @returns those of all positions, [S, H, T, D]
   */
  extend(layer: number, k: Tensor, v: Tensor): readonly [keys: Tensor, values: Tensor]
  /** Keeps the token ids of this position, int32 [S, 1]. @returns those before it, and they themselves at 0 */
  remember(ids: Tensor): EarlierTokens
}

/** Memory for all layers. */
export class KeyValueCache {
  private readonly layers: readonly (readonly [keys: Variable, values: Variable])[]
  /** int32 [S, T] */
  private readonly ids: Variable

  constructor(
    layers: number,
    private readonly shape: CacheShape,
  ) {
    const zeros = (): Variable => tf.tidy(() => tf.variable(tf.zeros([...shape]), false))
    this.layers = Array.from({ length: layers }, () => [zeros(), zeros()])
    this.ids = tf.tidy(() => tf.variable(tf.zeros([shape[0], shape[2]], 'int32'), false))
  }

  /**
   * The cache for one forward pass. A position that is passed twice is overwritten.
   * @param position of each sequence, int32 [S]; those before it have been passed
   */
  atPosition(position: Tensor): CacheAtPosition {
    const [S, H, T, D] = this.shape
    const allowed = tf.lessEqual(tf.range(0, T, 1, 'int32'), tf.expandDims(position, 1)) // [S, T]
    const mask = tf.reshape(tf.where(allowed, 0, Number.NEGATIVE_INFINITY), [S, 1, 1, T])
    // The rows of [S * H * T, D] that this position has.
    const firsts = tf.mul(tf.range(0, S * H, 1, 'int32'), tf.scalar(T, 'int32'))
    const rows = tf.reshape(tf.add(tf.reshape(firsts, [S, H]), tf.expandDims(position, 1)), [S * H, 1])
    const put = (variable: Variable, x: Tensor): Tensor => {
      const all = op('TensorScatterUpdate', [tf.reshape(variable, [S * H * T, D]), rows, tf.reshape(x, [S * H, D])])
      variable.assign(tf.reshape(all, [...this.shape]))
      return variable
    }
    return {
      position,
      mask,
      extend: (layer, k, v) => {
        const [keys, values] = at(this.layers, layer)
        return [put(keys, k), put(values, v)]
      },
      remember: (ids) => {
        const own = tf.equal(tf.range(0, T, 1, 'int32'), tf.expandDims(position, 1)) // [S, T]
        this.ids.assign(tf.where(own, ids, this.ids))
        return (back) => {
          const before = tf.sub(tf.expandDims(position, 1), tf.scalar(back, 'int32')) // [S, 1]
          const there = tf.add(tf.gather(this.ids, tf.maximum(before, tf.scalar(0, 'int32')), 1, 1), tf.scalar(1, 'int32'))
          return tf.where(tf.less(before, 0), tf.zerosLike(there), there)
        }
      },
    }
  }

  dispose(): void {
    tf.dispose([...this.layers.flat(), this.ids])
  }
}
