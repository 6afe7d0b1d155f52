/**
 * Causal self-attention (Vaswani et al. 2017, section 3.2): every place looks back at the places before it, in several heads at once.
 * Queries, keys and values of all heads come from one matrix product; a state_dict has them head by head, as the original stores them.
 */
import { ConfigError, ShapeError } from '../errors'
import type { Context } from '../nn/context'
import { dropout } from '../nn/dropout'
import { type Initializer, kaimingNormal } from '../nn/init'
import { Linear } from '../nn/linear'
import { assignParameter, Module, parameter, type StateDict, takeState } from '../nn/module'
import type { RandomStream } from '../tensor/streams'
import { type Tensor, tf, type Variable } from '../tensor/tf'

/** Which size scales the scores: 1 / sqrt(headSize) as in the paper, or 1 / sqrt(nEmbed) as in the original. */
export type AttentionScale = 'headSize' | 'nEmbed'

export interface AttentionOptions {
  /** Of the attention weights, and of the output. */
  readonly dropout?: number
  readonly scale?: AttentionScale
  /** How queries, keys and values start. */
  readonly init?: Initializer
  /** How the output projection starts. */
  readonly projInit?: Initializer
}

const roles = ['query', 'key', 'value'] as const

/** Multi-head causal self-attention with an output projection. B batch, T time, C nEmbed, H heads. */
export class MultiHeadAttention extends Module {
  /** [C, 3C]: all queries, then all keys, then all values; within each, head by head. */
  readonly qkv: Variable
  readonly proj: Linear
  readonly headSize: number

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
  }

  /**
   * @param x [B, T, C], T at most blockSize
   * @returns [B, T, C]
   */
  forward(x: Tensor, ctx: Context): Tensor {
    const { value } = this.weights(x, ctx)
    return dropout(this.proj.forward(value), this.options.dropout ?? 0, ctx)
  }

  /**
   * The attention weights softmax(q k^T * scale), causal, and what they collect.
   * @returns weights [B, H, T, T] (after dropout when training), value [B, T, C]
   */
  weights(x: Tensor, ctx: Context): { weights: Tensor; value: Tensor } {
    const [B, T, C] = x.shape as [number, number, number]
    if (x.rank !== 3 || C !== this.nEmbed || T > this.blockSize)
      throw new ShapeError(`attention: got [${x.shape.join(', ')}], expected [B, T <= ${this.blockSize}, ${this.nEmbed}]`)
    const H = this.nHead
    const D = this.headSize
    const heads = tf.transpose(tf.reshape(tf.matMul(x, this.qkv), [B, T, 3, H, D]), [2, 0, 3, 1, 4]) // [3, B, H, T, D]
    const [q, k, v] = tf.unstack(heads) as [Tensor, Tensor, Tensor]
    const scale = 1 / Math.sqrt(this.options.scale === 'nEmbed' ? C : D)
    const scores = tf.mul(tf.matMul(q, k, false, true), scale) // [B, H, T, T]
    const weights = dropout(tf.softmax(tf.add(scores, causalMask(T))), this.options.dropout ?? 0, ctx)
    const value = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [B, T, C])
    return { weights, value }
  }

  override saveState(state: StateDict, prefix = ''): void {
    const values = this.qkv.dataSync() as Float32Array
    const { headSize, nEmbed } = this
    for (let h = 0; h < this.nHead; h++) {
      for (const [r, role] of roles.entries()) {
        const weight = new Float32Array(headSize * nEmbed)
        for (let d = 0; d < headSize; d++)
          for (let c = 0; c < nEmbed; c++) weight[d * nEmbed + c] = values[c * 3 * nEmbed + r * nEmbed + h * headSize + d] as number
        state.set(`${prefix}heads.${h}.${role}.weight`, { shape: [headSize, nEmbed], values: weight })
      }
      state.set(`${prefix}heads.${h}.tril`, { shape: [this.blockSize, this.blockSize], values: lowerTriangle(this.blockSize, 1, 0) })
    }
    this.proj.saveState(state, `${prefix}proj.`)
  }

  override loadState(state: StateDict, prefix = ''): void {
    const values = new Float32Array(this.qkv.size)
    const { headSize, nEmbed } = this
    for (let h = 0; h < this.nHead; h++) {
      for (const [r, role] of roles.entries()) {
        const { values: weight } = takeState(state, `${prefix}heads.${h}.${role}.weight`, [headSize, nEmbed])
        for (let d = 0; d < headSize; d++)
          for (let c = 0; c < nEmbed; c++) values[c * 3 * nEmbed + r * nEmbed + h * headSize + d] = weight[d * nEmbed + c] as number
      }
      takeState(state, `${prefix}heads.${h}.tril`, [this.blockSize, this.blockSize])
    }
    assignParameter(this.qkv, values)
    this.proj.loadState(state, `${prefix}proj.`)
  }
}

function lowerTriangle(size: number, inside: number, outside: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => (i % size <= Math.floor(i / size) ? inside : outside))
}

/** 0 where a place may look (itself and before), -inf where it may not: [T, T]. */
export function causalMask(T: number): Tensor {
  return tf.tensor2d(lowerTriangle(T, 0, Number.NEGATIVE_INFINITY), [T, T])
}
