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

const fileOf = (dtype: string, values: Uint8Array, shape: number[]): Uint8Array => {
  const header = Buffer.from(JSON.stringify({ x: { dtype, shape, data_offsets: [0, values.length] } }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  return Buffer.concat([length, header, values])
}
const read = (dtype: string, bits: number[]): number[] =>
  Array.from(decodeSafetensors(fileOf(dtype, new Uint8Array(Uint16Array.from(bits).buffer), [bits.length])).get('x')?.values ?? [])

describe('types of numbers', () => {
  test('half: one, two, the largest, the smallest, subnormals, zeros, infinities, NaN', () => {
    const bits = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x0000, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x3555]
    const values = [
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      1023 * 2 ** -24,
      0,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]
    expect(read('F16', bits)).toEqual([...values, 0.333251953125])
  })
  test('bfloat16: the upper half of a float32', () => {
    expect(read('BF16', [0x3f80, 0xc000, 0x7f80, 0x3eab, 0x0001])).toEqual([1, -2, Number.POSITIVE_INFINITY, 0.333984375, 2 ** -133])
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const upper = new Uint32Array(Float32Array.of(value).buffer)[0] as number
        const [found = Number.NaN] = read('BF16', [upper >>> 16])
        expect(Math.abs(found - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) / 128, 2 ** -133))
      }),
    )
  })
  test.each(['F64', 'I64', 'BOOL', 'F8_E4M3'])('%s is refused by its name, not as a bad file', (dtype) => {
    const reading = () => decodeSafetensors(fileOf(dtype, new Uint8Array(8), [1]))
    expect(reading).toThrow(CheckpointError)
    expect(reading).toThrow(`x is of type ${dtype}, expected F32, F16, BF16: convert it, in PyTorch with .float()`)
    expect(reading).not.toThrow(/not a good safetensors file/)
  })
  test('what is written is read again, whatever the names and shapes are', () => {
    const tensor = fc.array(fc.float(), { maxLength: 9 }).map((values) => ({ shape: [values.length], values: Float32Array.from(values) }))
    const names = fc.string().filter((name) => name !== '__metadata__' && name !== '__proto__')
    fc.assert(
      fc.property(fc.dictionary(names, tensor), (tensors) => {
        const state = new Map(Object.entries(tensors))
        expect(decodeSafetensors(encodeSafetensors(state))).toEqual(state)
      }),
    )
  })
})
