/**
 * The safetensors format: eight bytes with the length of a JSON header, the header (name -> dtype, shape, data_offsets), then the numbers.
 * We write F32 and read F32, F16 and BF16. Everything that a header says is checked against the file before a tensor is made.
 * Source: the format's description in huggingface/safetensors.
 */
import { z } from 'zod'
import { isOneOf, keysOf } from '../base/assertions'
import { CheckpointError } from '../base/errors'
import type { StateDict } from '../makemoe/nn/state-tensors'

/** The types that are read, with the bytes of a number. */
const types = {
  F32: { bytes: 4, read: (buffer: ArrayBuffer) => new Float32Array(buffer) },
  F16: { bytes: 2, read: (buffer: ArrayBuffer) => Float32Array.from(new Uint16Array(buffer), halfValue) },
  BF16: {
    bytes: 2,
    read: (buffer: ArrayBuffer) => new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits << 16).buffer),
  },
}

/** The value of an IEEE 754 half: 1 bit for the sign, 5 for the exponent, 10 for the fraction. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

const headerLimit = 100_000_000

const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(z.number().int().min(0)),
  data_offsets: z.tuple([z.number().int().min(0), z.number().int().min(0)]),
})

/** The bytes of a safetensors file. */
export function encodeSafetensors(state: StateDict, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata }
  let offset = 0
  for (const [name, { shape, values }] of state) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + values.byteLength] }
    offset += values.byteLength
  }
  const text = Buffer.from(JSON.stringify(header))
  const padded = Math.ceil(text.length / 8) * 8
  const bytes = Buffer.alloc(8 + padded + offset, ' ')
  bytes.writeBigUInt64LE(BigInt(padded), 0)
  text.copy(bytes, 8)
  let position = 8 + padded
  for (const { values } of state.values()) {
    Buffer.from(values.buffer, values.byteOffset, values.byteLength).copy(bytes, position)
    position += values.byteLength
  }
  return bytes
}

/**
 * Reads a safetensors file.
 * @throws CheckpointError that says what is wrong with it
 */
export function decodeSafetensors(bytes: Uint8Array): StateDict {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bad = (problem: string): CheckpointError => new CheckpointError(`not a good safetensors file: ${problem}`)
  if (buffer.length < 8) throw bad(`got ${buffer.length} bytes, expected at least 8`)
  const headerLength = buffer.readBigUInt64LE(0)
  if (headerLength > BigInt(Math.min(headerLimit, buffer.length - 8)))
    throw bad(`its header claims ${headerLength} bytes, the file has ${buffer.length}`)
  const start = 8 + Number(headerLength)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(8, start)))
  } catch {
    throw bad('its header is not JSON')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw bad('its header is not a JSON object')

  const state: StateDict = new Map()
  let covered = 0
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const parsed = entrySchema.safeParse(value)
    if (!parsed.success) throw bad(`the entry of ${JSON.stringify(name)} lacks dtype, shape or data_offsets`)
    const { dtype, shape, data_offsets } = parsed.data
    const [begin, end] = data_offsets
    const type = isOneOf(keysOf(types), dtype) ? types[dtype] : undefined
    if (!type)
      throw new CheckpointError(`${name} is of type ${dtype}, expected ${keysOf(types).join(', ')}: convert it, in PyTorch with .float()`)
    const size = shape.reduce((product, n) => product * n, 1)
    if (end - begin !== type.bytes * size || start + end > buffer.length)
      throw bad(`${name} of shape [${shape.join(', ')}] claims the bytes ${begin} to ${end} of ${buffer.length - start}`)
    covered += end - begin
    // A copy, so that the numbers lie on a boundary of 4 whatever the header's length.
    state.set(name, { shape, values: type.read(new Uint8Array(buffer.subarray(start + begin, start + end)).buffer) })
  }
  if (covered !== buffer.length - start) throw bad(`its tensors cover ${covered} of ${buffer.length - start} bytes`)
  return state
}
