import fc from 'fast-check'
import { CheckpointError, MakemoeError, type StateDict } from 'makemoe'
import { decodeSafetensors, encodeSafetensors } from 'makemoe/dist/runs/safetensors'
import { describe, expect, test } from 'vitest'

describe('safetensors', () => {
  const state: StateDict = new Map([
    ['a', { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }],
    ['b.c', { shape: [], values: Float32Array.of(5) }],
    ['empty', { shape: [0, 3], values: new Float32Array(0) }],
  ])
  test('reads what it wrote', () => expect(decodeSafetensors(encodeSafetensors(state, { format: 'pt' }))).toEqual(state))
  const header = (json: string, data = 0, length = json.length) => {
    const bytes = Buffer.alloc(8 + json.length + data)
    bytes.writeBigUInt64LE(BigInt(length))
    bytes.write(json, 8)
    return bytes
  }
  test.each([
    ['too short', Buffer.alloc(4), /got 4 bytes/],
    ['a huge header length', header('{}', 0, 2 ** 52), /header claims/],
    ['no JSON', header('{nope'), /not JSON/],
    ['an array', header('[]'), /not a JSON object/],
    ['another dtype', header('{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}', 2), /dtype F16, expected F32/],
    ['offsets outside', header('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', 4), /claims the bytes 0 to 36 of 4/],
    ['a shape that is too large', header('{"a":{"dtype":"F32","shape":[1e9,1e9],"data_offsets":[0,4]}}', 4), /claims/],
    ['left-over bytes', header('{}', 4), /cover 0 of 4 bytes/],
    ['no shape', header('{"a":{"dtype":"F32"}}'), /lacks dtype, shape or data_offsets/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(CheckpointError)
    expect(() => decodeSafetensors(bytes)).toThrow(message)
  })
  test('a flipped or cut file is read or refused, never worse', () => {
    const good = encodeSafetensors(state)
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, length) => {
        const bad = Buffer.from(good).subarray(0, length)
        if (at < bad.length) bad[at] = value
        try {
          decodeSafetensors(bad)
        } catch (error) {
          expect(error).toBeInstanceOf(MakemoeError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
