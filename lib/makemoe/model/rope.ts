/**
 * Rotary position embedding (Su et al. 2021, 2104.09864, section 3.2): queries and keys are rotated by angles that grow with their position,
 * so that a score depends on how far apart the two are. Pair d of a head's D numbers is (x_d, x_{d + D/2}), not two neighbors as in the
 * paper: the same up to the order of the numbers, and two slices instead of many.
 */
import { at } from '../../base/assertions'
import { ConfigError } from '../../base/errors'
import { customGradient } from '../../engine/tensor/custom-gradient'
import { type Tensor, tf } from '../../engine/tensor/tf'

const base = 10_000

/** @throws ConfigError for a head whose numbers do not make pairs */
export function checkRope(headSize: number): void {
  if (headSize % 2 !== 0) throw new ConfigError(`positions: got rope with a head of ${headSize} numbers, expected an even number`)
}

/** Cosines and sines of the angles at some positions; each broadcasts to [S, H, T, D/2]. */
export interface Rotation {
  readonly cos: Tensor
  readonly sin: Tensor
}

/**
 * The rotation by the angles $t \cdot 10000^{-2d / D}$ for d < D/2 (Su et al. 2021, section 3.2.2).
 * @param positions how many, from 0 on, the same for all sequences; or int32 [S], one of `among` for each sequence
 */
export function rotationAt(positions: number | { readonly position: Tensor; readonly among: number }, headSize: number): Rotation {
  const half = headSize / 2
  const T = typeof positions === 'number' ? positions : positions.among
  const angles = Array.from({ length: T * half }, (_, i) => Math.floor(i / half) * base ** (-(i % half) / half))
  const rows = (values: number[]): Tensor => {
    const all = tf.tensor2d(values, [T, half])
    return typeof positions === 'number' ? all : tf.reshape(tf.gather(all, positions.position), [-1, 1, 1, half])
  }
  return { cos: rows(angles.map(Math.cos)), sin: rows(angles.map(Math.sin)) }
}

/** $(a \cos - b \sin, a \sin + b \cos)$ for the two halves a and b of the last axis (Su et al. 2021, eq. 34); the shape of x. */
export function rotated(x: Tensor, { cos, sin }: Rotation): Tensor {
  const turn = (x: Tensor, cos: Tensor, sin: Tensor): Tensor => {
    const halves = tf.split(x, 2, -1)
    const [a, b] = [at(halves, 0), at(halves, 1)]
    return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(a, sin), tf.mul(b, cos))], x.rank - 1)
  }
  return customGradient(
    [x],
    (x) => ({ value: turn(x, cos, sin), save: [cos, sin] }),
    (dy, [cos, sin]) => [turn(dy, cos, tf.neg(sin))], // the transpose of a rotation turns back
  )
}
