import { loadHeads, saveHeads, tf } from 'makemoe'
import { describe, expect, test } from 'vitest'

describe('attention', () => {
  test('heads are saved one by one, in PyTorch names and layout, and read back to the bit', () => {
    const sizes = { nEmbed: 4, nHead: 2, blockSize: 3 }
    const qkv = tf.variable(tf.reshape(tf.range(0, 48), [4, 12])) // 12 columns: 4 of queries, keys and values, 2 of each head
    const state = new Map()
    saveHeads(qkv, sizes, state, 'sa.')
    // The keys of head 1 are columns 6 and 7; PyTorch has them as rows.
    expect(state.get('sa.heads.1.key.weight')).toEqual({ shape: [2, 4], values: new Float32Array([6, 18, 30, 42, 7, 19, 31, 43]) })
    expect(state.size).toBe(8)
    const copy = tf.variable(tf.zeros([4, 12]))
    loadHeads(copy, sizes, state, 'sa.')
    expect(Array.from(copy.dataSync())).toEqual(Array.from(qkv.dataSync()))
    expect(() => loadHeads(copy, sizes, new Map(), 'sa.')).toThrow(/heads\.0\.query\.weight/)
  })
})
