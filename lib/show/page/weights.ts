/**
 * Weights as bytes, small enough for a page: `fp32` as they are, `fp16` as half-precision floats (IEEE 754), `int8` as integers with a
 * scale for each row of a matrix (its largest number is 127). Vectors (biases, gains) always stay fp32: they are 0.2 % of the numbers; so do
 * tables of experts, whose numbers are names.
 */
import type { Weights } from './parameters'

export const precisions = ['int8', 'fp16', 'fp32'] as const
export type Precision = (typeof precisions)[number]

/** What stands where in the bytes, in their order. */
export interface PackedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly precision: Precision
}

export interface PackedWeights {
  readonly tensors: readonly PackedTensor[]
  readonly bytes: Uint8Array
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1)

function byteLength({ shape, precision }: PackedTensor): number {
  if (precision === 'int8') return sizeOf(shape) + 4 * shape[0]
  return sizeOf(shape) * (precision === 'fp16' ? 2 : 4)
}

/** The bits of the nearest half-precision float; of two equally near ones, the even. */
export function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  const exponent = Math.max(Math.floor(Math.log2(size)), -14)
  const exact = size / 2 ** (exponent - 10) // 1024 to 2048, or less below the normal numbers
  const rounded = Math.round(exact) - (exact % 1 === 0.5 && Math.round(exact) % 2 === 1 ? 1 : 0)
  return sign | Math.min(((exponent + 14) << 10) + rounded, 0x7c00)
}

/** The number that half-precision bits stand for. */
export function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = (bits & 1023) / 1024
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15))
}

/** The numbers of all half-precision floats, made when the first is wanted. */
let halves: Float32Array | undefined

/** Whether a tensor has experts instead of weights: a hash router's table. */
const isTable = (name: string): boolean => /\.table$/.test(name)

/**
 * Weights as bytes.
 * @param wanted which tensors; default: all
 */
export function packWeights(weights: Weights, precision: Precision, wanted: (name: string) => boolean = () => true): PackedWeights {
  const tensors: PackedTensor[] = []
  const chunks: Uint8Array[] = []
  for (const name of weights.keys()) {
    const tensor = weights.get(name)
    if (!tensor || !wanted(name)) continue
    const { shape, values } = tensor
    const packed: PackedTensor = { name, shape, precision: shape.length === 2 && !isTable(name) ? precision : 'fp32' }
    tensors.push(packed)
    if (packed.precision === 'fp32') chunks.push(new Uint8Array(Float32Array.from(values).buffer))
    else if (packed.precision === 'fp16') chunks.push(new Uint8Array(Uint16Array.from(values, toHalf).buffer))
    else {
      const [rows, columns] = shape
      const scales = Float32Array.from(
        { length: rows },
        (_, r) => values.subarray(r * columns, (r + 1) * columns).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127,
      )
      const integers = Int8Array.from(values, (value, i) => Math.round(value / scales[Math.floor(i / columns)]) || 0)
      chunks.push(new Uint8Array(scales.buffer), new Uint8Array(integers.buffer))
    }
  }
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return { tensors, bytes }
}

/** Packed weights for the engine; each tensor is decoded when it is asked for, so that only one lies around at a time. */
export function unpackWeights({ tensors, bytes }: PackedWeights): Weights {
  const places = new Map<string, { tensor: PackedTensor; start: number }>()
  let end = 0
  for (const tensor of tensors) {
    places.set(tensor.name, { tensor, start: end })
    end += byteLength(tensor)
  }
  if (end !== bytes.length) throw new Error(`got ${bytes.length} bytes of weights, expected ${end}`)
  /** A copy, so that it lies on a boundary of its element size. */
  const copy = (start: number, length: number): ArrayBuffer => new Uint8Array(bytes.subarray(start, start + length)).buffer
  return {
    keys: () => places.keys(),
    get(name) {
      const place = places.get(name)
      if (!place) return undefined
      const { tensor, start } = place
      const { shape, precision } = tensor
      const size = sizeOf(shape)
      if (precision === 'fp32') return { shape, values: new Float32Array(copy(start, 4 * size)) }
      if (precision === 'fp16') {
        halves ??= Float32Array.from({ length: 65536 }, (_, bits) => fromHalf(bits))
        const table = halves
        return { shape, values: Float32Array.from(new Uint16Array(copy(start, 2 * size)), (bits) => table[bits]) }
      }
      const [rows, columns] = shape
      const scales = new Float32Array(copy(start, 4 * rows))
      const integers = new Int8Array(copy(start + 4 * rows, size))
      const values = new Float32Array(size)
      for (let r = 0; r < rows; r++) for (let i = r * columns; i < (r + 1) * columns; i++) values[i] = integers[i] * scales[r]
      return { shape, values }
    },
  }
}

/** CRC-32 (ISO 3309, as in zip and PNG): detects accidental damage. */
export function crc32(bytes: Uint8Array): number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    return crc
  })
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

/** Base64 as bytes, where the browser has no `Uint8Array.fromBase64` of its own. @throws Error if the text is not base64 */
export function decodeBase64(text: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64 // not in TypeScript's library yet
  if (native) return native.call(Uint8Array, text)
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
