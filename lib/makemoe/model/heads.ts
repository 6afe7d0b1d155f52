/**
 * The layout of attention heads in a state_dict: queries, keys and values of all heads are one matrix here, and a weight for each head and role,
 * with a causal mask, in the original's checkpoints.
 */
import { at } from '../../base/assertions'
import type { Variable } from '../../engine/tensor/tf'
import { assignParameter } from '../nn/parameter'
import { type StateDict, takeState } from '../nn/state-tensors'

const roles = ['query', 'key', 'value'] as const

/** What the layout of the heads in a state_dict depends on. */
export interface HeadSizes {
  readonly nEmbed: number
  readonly nHead: number
  readonly blockSize: number
}

/** The numbers of one role of one head: the index in a state_dict's weight [headSize, nEmbed], and in qkv [C, 3C]. */
function* indicesOf({ nEmbed, nHead }: HeadSizes, head: number, role: number): Generator<[weight: number, qkv: number]> {
  const headSize = nEmbed / nHead
  for (let d = 0; d < headSize; d++)
    for (let c = 0; c < nEmbed; c++) yield [d * nEmbed + c, c * 3 * nEmbed + role * nEmbed + head * headSize + d]
}

/**
 * Queries, keys and values of all heads under PyTorch's names and in its layout, with the causal mask of each head.
 * @param qkv [C, 3C]
 * @param state is filled: `<prefix>heads.<h>.query.weight` [headSize, C], and so on
 */
export function saveHeads(qkv: Variable, sizes: HeadSizes, state: StateDict, prefix: string): void {
  const { nEmbed, nHead, blockSize } = sizes
  const values = qkv.dataSync<'float32'>()
  for (let h = 0; h < nHead; h++) {
    for (const [r, role] of roles.entries()) {
      const weight = new Float32Array((nEmbed / nHead) * nEmbed)
      for (const [to, from] of indicesOf(sizes, h, r)) weight[to] = at(values, from)
      state.set(`${prefix}heads.${h}.${role}.weight`, { shape: [nEmbed / nHead, nEmbed], values: weight })
    }
    state.set(`${prefix}heads.${h}.tril`, { shape: [blockSize, blockSize], values: lowerTriangle(blockSize, 1, 0) })
  }
}

/**
 * The reverse of `saveHeads`.
 * @param qkv [C, 3C], which gets the values
 * @param state what is read is taken out of it
 * @throws CheckpointError if a tensor is missing or has another shape
 */
export function loadHeads(qkv: Variable, sizes: HeadSizes, state: StateDict, prefix: string): void {
  const { nEmbed, nHead, blockSize } = sizes
  const values = new Float32Array(qkv.size)
  for (let h = 0; h < nHead; h++) {
    for (const [r, role] of roles.entries()) {
      const { values: weight } = takeState(state, `${prefix}heads.${h}.${role}.weight`, [nEmbed / nHead, nEmbed])
      for (const [from, to] of indicesOf(sizes, h, r)) values[to] = at(weight, from)
    }
    takeState(state, `${prefix}heads.${h}.tril`, [blockSize, blockSize])
  }
  assignParameter(qkv, values)
}

/** A square matrix, row by row: one number on and below the diagonal, another above. */
export function lowerTriangle(size: number, inside: number, outside: number): Float32Array {
  return Float32Array.from({ length: size * size }, (_, i) => (i % size <= Math.floor(i / size) ? inside : outside))
}
