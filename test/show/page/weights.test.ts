import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { crc32, decodeBase64, fromHalf, packWeights, toHalf, unpackWeights } from 'makemoe/dist/show/page/weights'
import { describe, expect, test } from 'vitest'

const tensor = (shape: number[], values: number[]) => ({ shape, values: Float32Array.from(values) })

describe('half precision', () => {
  test.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [0.333251953125, 0x3555],
    [65504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -26, 0x0000],
    [1 + 2 ** -11, 0x3c00], // half-way: to even
    [1 + 3 * 2 ** -11, 0x3c02],
    [70000, 0x7c00],
  ])('%f is %i', (value, bits) => expect(toHalf(value)).toBe(bits))
  test('each of the 63,488 finite numbers comes back', () => {
    for (let bits = 0; bits < 65536; bits++) if (((bits >> 10) & 31) < 31) expect(toHalf(fromHalf(bits))).toBe(bits)
    expect(fromHalf(0xfc00)).toBe(Number.NEGATIVE_INFINITY)
    expect(fromHalf(0x7e00)).toBeNaN()
  })
})

describe('packing', () => {
  const values = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 12, maxLength: 12 })
  const cases = [
    ['fp32', 4, () => 0],
    ['fp16', 2, (most: number) => Math.max(most * 2 ** -11, 2 ** -25)],
    ['int8', 1, (most: number) => most / 254 + 1e-6],
  ] as const
  test.each(cases)('%s keeps each number as near as its precision allows', (precision, size, bound) => {
    fc.assert(
      fc.property(values, (numbers) => {
        const state = new Map([
          ['vector', tensor([3], [0.1, 0.2, 0.3])],
          ['matrix', tensor([3, 4], numbers)],
        ])
        const packed = packWeights(state, precision)
        expect(packed.bytes.length).toBe(12 + 12 * size + (precision === 'int8' ? 12 : 0))
        const back = unpackWeights(packed)
        expect([...back.keys()]).toEqual(['vector', 'matrix'])
        expect(back.get('vector')).toEqual(state.get('vector')) // vectors stay fp32
        const matrix = back.get('matrix')
        expect(matrix?.shape).toEqual([3, 4])
        for (let r = 0; r < 3; r++) {
          const row = numbers.slice(4 * r, 4 * r + 4)
          const limit = bound(Math.max(...row.map(Math.abs)))
          for (const [c, number] of row.entries())
            expect(Math.abs((matrix?.values[4 * r + c] as number) - number)).toBeLessThanOrEqual(limit)
        }
      }),
    )
  })
  test('a row of zeros stays one, and only wanted tensors go in', () => {
    const state = new Map([
      ['a', tensor([1, 2], [0, 0])],
      ['b', tensor([1], [1])],
    ])
    const back = unpackWeights(packWeights(state, 'int8', (name) => name === 'a'))
    expect([...back.keys()]).toEqual(['a'])
    expect([...(back.get('a')?.values ?? [])]).toEqual([0, 0])
    expect(back.get('b')).toBeUndefined()
  })
  test('tables of experts are no weights: every number comes back as it was', () => {
    const weights = new Map([['blocks.0.smoe.router.table', tensor([2, 3], [7, 0, 3, 5, 2, 200])]])
    for (const precision of ['int8', 'fp16', 'fp32'] as const)
      expect([...(unpackWeights(packWeights(weights, precision)).get('blocks.0.smoe.router.table')?.values ?? [])]).toEqual([
        7, 0, 3, 5, 2, 200,
      ])
  })
  test('bytes that are too few are refused', () => {
    const packed = packWeights(new Map([['a', tensor([2], [1, 2])]]), 'fp32')
    expect(() => unpackWeights({ ...packed, bytes: packed.bytes.slice(1) })).toThrow('got 7 bytes of weights, expected 8')
  })
})

test('crc32 is that of zlib', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
      expect(crc32(bytes)).toBe(zlibCrc32(bytes))
    }),
  )
})

test('base64 is decoded, and anything else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect([...decodeBase64(Buffer.from(bytes).toString('base64'))]).toEqual([...bytes])
    }),
  )
  expect(() => decodeBase64('%%%')).toThrow()
})
