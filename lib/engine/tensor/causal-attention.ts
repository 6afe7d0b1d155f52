/**
 * Causal attention in blocks of queries: O_i = softmax(scale * Q_i K_i^T + mask) V_i for each block i, where K_i and V_i are the keys and
 * values up to the block's end. What lies above the diagonal is never computed, and a block's numbers are few enough to stay in the cache
 * from one op to the next. The plain formula is in model/attention.ts.
 *
 * The gradient is that of FlashAttention (Dao et al. 2022, appendix B.2), with the weights P and what dropout left of them, P', kept:
 * dS = P' * (dO V^T) - P * rowsum(dO * O).
 */
import { at } from '../../base/assertions'
import { customGradient } from './custom-gradient'
import { maskFromBits } from './dropout-mask'
import { shape4 } from './shape'
import { type Tensor, tf } from './tf'

/** A block of queries from `start` up to `end`, which is where its keys end too. */
export interface QueryBlock {
  readonly start: number
  readonly end: number
}

/** The blocks of T queries. */
export function queryBlocks(T: number, size: number): QueryBlock[] {
  return Array.from({ length: Math.ceil(T / size) }, (_, i) => ({ start: i * size, end: Math.min(T, (i + 1) * size) }))
}

export interface CausalAttentionOptions {
  /** The factor of the scores. */
  readonly scale: number
  /** In training: the dropout rate, and for each block the bits of its mask [B, H, end - start, end], from `dropoutBits`. */
  readonly dropout?: { readonly rate: number; readonly bits: readonly Tensor[] } | undefined
}

/**
 * What each query collects from the values of the positions up to its own.
 * @param q float32 [B, H, T, D]; so are k and v
 * @returns float32 [B, H, T, D]
 */
export function causalAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: readonly QueryBlock[],
  { scale, dropout }: CausalAttentionOptions,
): Tensor {
  const [B, H, T, D] = shape4(q)
  const rows = (x: Tensor, { start, end }: QueryBlock): Tensor => tf.slice(x, [0, 0, start, 0], [B, H, end - start, at(x.shape, 3)])
  const upTo = (x: Tensor, { end }: QueryBlock): Tensor => tf.slice(x, [0, 0, 0, 0], [B, H, end, D])
  const columns = (xT: Tensor, { end }: QueryBlock): Tensor => tf.slice(xT, [0, 0, 0, 0], [B, H, D, end])
  const padded = (x: Tensor, { end }: QueryBlock): Tensor => (end === T ? x : tf.pad(x, [...none, [0, T - end]]))
  const growth = dropout ? 1 / (1 - dropout.rate) : 1 // of what dropout leaves; applied to the output, which is smaller than the weights

  return customGradient(
    [q, k, v],
    (q, k, v) => {
      const scaled = tf.mul(q, scale)
      const kT = transposed(k)
      const weights = blocks.map((block) =>
        tf.softmax(
          tf.add(tf.matMul(rows(scaled, block), columns(kT, block)), tf.tensor2d(causalMask(block), [block.end - block.start, block.end])),
        ),
      )
      const kept = dropout ? weights.map((weights, i) => tf.mul(weights, keep(at(dropout.bits, i), dropout.rate, weights))) : weights
      const collected = tf.concat(
        blocks.map((block, i) => tf.matMul(at(kept, i), upTo(v, block))),
        2,
      )
      const value = tf.mul(collected, growth)
      return { value, save: [scaled, k, v, value, ...weights, ...(dropout ? kept : [])] }
    },
    (dy, [scaled, k, v, value, ...saved]) => {
      const vT = transposed(v)
      const weights = saved.slice(0, blocks.length)
      const kept = dropout ? saved.slice(blocks.length) : weights
      const along = tf.sum(tf.mul(dy, value), -1, true) // [B, H, T, 1]
      const grown = tf.mul(dy, growth)
      const parts = blocks.map((block, i) => {
        const [P, left, d] = [at(weights, i), at(kept, i), rows(grown, block)]
        const dScores = tf.sub(tf.mul(left, tf.matMul(d, columns(vT, block))), tf.mul(P, rows(along, block)))
        return {
          dq: tf.matMul(dScores, upTo(k, block)),
          dkT: padded(tf.matMul(rows(scaled, block), dScores, true), block),
          dvT: padded(tf.matMul(d, left, true), block),
        }
      })
      const sum = (tensors: Tensor[]): Tensor => transposed(tf.addN(tensors))
      const dq = tf.concat(
        parts.map(({ dq }) => dq),
        2,
      )
      return [tf.mul(dq, scale), sum(parts.map(({ dkT }) => dkT)), sum(parts.map(({ dvT }) => dvT))]
    },
  )
}

const none: [number, number][] = [
  [0, 0],
  [0, 0],
  [0, 0],
]

const transposed = (x: Tensor): Tensor => tf.transpose(x, [0, 1, 3, 2])

/** 1 for the weights that dropout leaves, 0 for others. */
function keep(bits: Tensor, rate: number, weights: Tensor): Tensor {
  const mask = maskFromBits(bits, rate)
  return mask.shape[3] === weights.shape[3] ? mask : tf.slice(mask, [0, 0, 0, 0], shape4(weights))
}

/** 0 for positions up to the query's own, -inf after: [end - start, end]. */
function causalMask({ start, end }: QueryBlock): Float32Array {
  const allowed = (i: number): boolean => i % end <= start + Math.floor(i / end)
  return Float32Array.from({ length: (end - start) * end }, (_, i) => (allowed(i) ? 0 : Number.NEGATIVE_INFINITY))
}
