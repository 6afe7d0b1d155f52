/**
 * Causal self-attention (Vaswani et al. 2017, section 3.2): every position looks back at the positions before it, in several heads at once.
 * Queries, keys and values of all heads come from one matrix product; a state_dict has them head by head, as the original stores them.
 */
import { at } from '../../base/assertions'
import { ConfigError, ShapeError } from '../../base/errors'
import { causalAttention, type QueryBlock, queryBlocks } from '../../engine/tensor/causal-attention'
import { dropoutBits } from '../../engine/tensor/dropout-mask'
import { shape3, shape4 } from '../../engine/tensor/shape'
import type { RandomStream } from '../../engine/tensor/streams'
import { type Tensor, tf, type Variable } from '../../engine/tensor/tf'
import { dropout } from '../nn/dropout'
import { type Initializer, kaimingNormal } from '../nn/initializers'
import { Linear } from '../nn/linear'
import { Module } from '../nn/module'
import { parameter } from '../nn/parameter'
import { RmsNorm } from '../nn/rms-norm'
import type { StateDict } from '../nn/state-tensors'
import type { ModelContext } from './context'
import { loadHeads, lowerTriangle, saveHeads } from './heads'
import { checkRope, rotated, rotationAt } from './rope'

/** Which size scales the scores: 1 / sqrt(headSize) as in the paper, or 1 / sqrt(nEmbed) as in the original. */
export type AttentionScale = 'headSize' | 'nEmbed'

export interface AttentionOptions {
  /** The dropout rate of the attention weights, and of the output. */
  readonly dropout?: number
  readonly scale?: AttentionScale
  /** Whether queries and keys are rotated by their positions (rope.ts). Default: no. */
  readonly rope?: boolean
  /** Whether each query and each key is normalized, by RMSNorm over its head (Dehghani et al. 2023, 2302.05442, section 3.1). Default: no. */
  readonly qkNorm?: boolean
  /** How queries, keys and values start. */
  readonly init?: Initializer
  /** How the output projection starts. */
  readonly projInit?: Initializer
}

/** Queries in a block, and the longest sequence that is computed in one piece. */
const blockOfQueries = 64

/**
 * Multi-head causal self-attention, $\mathrm{softmax}(q k^T / \sqrt{d} + mask) \, v$ in each head, with an output projection;
 * [B, T, C] -> [B, T, C]. B batch, T time, C nEmbed, H heads, d head size (Vaswani et al. 2017, section 3.2).
 */
export class MultiHeadAttention extends Module {
  /** All queries, then all keys, then all values; within each, head by head. Shape [C, 3C]. */
  readonly qkv: Variable
  readonly proj: Linear
  readonly headSize: number
  /** Of all heads: the gains have the size of one. */
  readonly queryNorm?: RmsNorm
  readonly keyNorm?: RmsNorm
  protected override readonly stateNames = { queryNorm: 'q_norm', keyNorm: 'k_norm' }

  /** @throws ConfigError if nEmbed is not a multiple of nHead, or, with rope, a head's size is odd */
  constructor(
    readonly nEmbed: number,
    readonly nHead: number,
    readonly blockSize: number,
    stream: RandomStream,
    private readonly options: AttentionOptions = {},
  ) {
    super()
    if (nEmbed % nHead !== 0) throw new ConfigError(`nEmbed: got ${nEmbed}, expected a multiple of nHead (${nHead})`)
    this.headSize = nEmbed / nHead
    this.qkv = parameter((options.init ?? kaimingNormal)(stream, nEmbed, 3 * nEmbed))
    this.proj = new Linear(nEmbed, nEmbed, stream, { init: options.projInit ?? kaimingNormal })
    if (options.qkNorm) {
      this.queryNorm = new RmsNorm(this.headSize)
      this.keyNorm = new RmsNorm(this.headSize)
    }
    if (options.rope) checkRope(this.headSize)
  }

  /**
   * Each position's values, weighted by how well their keys fit its query.
   * @param x [B, T, C], T at most blockSize
   * @returns [B, T, C]
   * @throws ShapeError
   */
  forward(x: Tensor, ctx: ModelContext): Tensor {
    const T = at(x.shape, 1)
    const value = T > blockOfQueries ? this.inBlocks(x, ctx) : this.weights(x, ctx).value
    return dropout(this.proj.forward(value), this.options.dropout ?? 0, ctx)
  }

  /**
   * The attention weights softmax(q k^T * scale), causal, and what they collect.
   * @returns weights [B, H, T, T] (after dropout when training), value [B, T, C]
   */
  weights(x: Tensor, ctx: ModelContext): { weights: Tensor; value: Tensor } {
    const [q, k, v] = this.heads(x, ctx)
    const [keys, values] = ctx.cache?.extend(ctx.layer ?? 0, k, v) ?? [k, v]
    const mask = ctx.cache?.mask ?? causalMask(at(q.shape, 2))
    const scores = tf.mul(tf.matMul(q, keys, false, true), this.scale) // [B, H, T, T]
    const weights = dropout(tf.softmax(tf.add(scores, mask)), this.options.dropout ?? 0, ctx)
    return { weights, value: joinHeads(tf.matMul(weights, values)) }
  }

  /**
   * The same value, faster for long sequences: what the mask hides is not even computed, nor is dropout drawn for it. (The plain formula draws
   * for all of [T, T], so that the two drop other weights; drawing as much here would cost 5 % of a training step at T = 256.)
   */
  private inBlocks(x: Tensor, ctx: ModelContext): Tensor {
    const [q, k, v] = this.heads(x, ctx)
    const [B, H, T] = shape3(q)
    const { dropout: rate = 0 } = this.options
    const blocks = queryBlocks(T, blockOfQueries)
    const draw = ({ start, end }: QueryBlock): Tensor => dropoutBits([B, H, end - start, end], ctx.streams.dropout)
    const dropped = ctx.training && rate > 0 ? { rate, bits: blocks.map(draw) } : undefined
    return joinHeads(causalAttention(q, k, v, blocks, { scale: this.scale, dropout: dropped }))
  }

  /** Queries, keys and values: each [B, H, T, D]; queries and keys normalized and rotated, where that is wanted. */
  private heads(x: Tensor, { cache }: ModelContext): [q: Tensor, k: Tensor, v: Tensor] {
    const [B, T, C] = shape3(x)
    if (x.rank !== 3 || C !== this.nEmbed || T > this.blockSize)
      throw new ShapeError(`attention: got [${x.shape.join(', ')}], expected [B, T <= ${this.blockSize}, ${this.nEmbed}]`)
    const heads = tf.transpose(tf.reshape(tf.matMul(x, this.qkv), [B, T, 3, this.nHead, this.headSize]), [2, 0, 3, 1, 4]) // [3, B, H, T, D]
    const parts = tf.unstack(heads)
    const [q, k, v] = [at(parts, 0), at(parts, 1), at(parts, 2)]
    const normal = [this.queryNorm?.forward(q) ?? q, this.keyNorm?.forward(k) ?? k] as const
    if (!this.options.rope) return [...normal, v]
    const rotation = rotationAt(cache ? { position: cache.position, among: this.blockSize } : T, this.headSize)
    return [rotated(normal[0], rotation), rotated(normal[1], rotation), v]
  }

  private get scale(): number {
    return 1 / Math.sqrt(this.options.scale === 'nEmbed' ? this.nEmbed : this.headSize)
  }

  override saveState(state: StateDict, prefix = ''): void {
    saveHeads(this.qkv, this, state, prefix)
    this.proj.saveState(state, `${prefix}proj.`)
    this.queryNorm?.saveState(state, `${prefix}q_norm.`)
    this.keyNorm?.saveState(state, `${prefix}k_norm.`)
  }

  override loadState(state: StateDict, prefix = ''): void {
    loadHeads(this.qkv, this, state, prefix)
    this.proj.loadState(state, `${prefix}proj.`)
    this.queryNorm?.loadState(state, `${prefix}q_norm.`)
    this.keyNorm?.loadState(state, `${prefix}k_norm.`)
  }
}

/** Heads side by side again: [B, H, T, D] -> [B, T, H * D]. */
function joinHeads(x: Tensor): Tensor {
  const [B, H, T, D] = shape4(x)
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, T, H * D])
}

/** 0 where a query position may look (itself and before), -inf elsewhere: [T, T]. */
export function causalMask(T: number): Tensor {
  return tf.tensor2d(lowerTriangle(T, 0, Number.NEGATIVE_INFINITY), [T, T])
}
