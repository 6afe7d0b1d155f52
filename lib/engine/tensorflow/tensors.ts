/** Numbers and strings on their way into TensorFlow's tensors and back. TensorFlow gets copies: it never looks at JavaScript's memory. */
import { at } from '../../base/assertions'
import { TensorError } from '../../base/errors'
import { libc, SharedMemory } from '../../base/libc'
import { type Pointer, tensorflow } from './c-api'
import { arrayOfType, bytesOfType, dataType, nameOfType } from './types'

/** The values of a tensor in JavaScript: numbers, or strings as their UTF-8 bytes. */
export type TensorValues = InstanceType<(typeof arrayOfType)[keyof typeof arrayOfType]> | Uint8Array[]

/** More dimensions than TensorFlow's ops can take. */
const maxRank = 32
const bytesOfString = 24

/** Shared memory for what is passed most often: a shape, and up to 1,024 bytes of values. A larger array is copied by `memcpy`. */
interface Scratch {
  readonly shape: BigInt64Array
  readonly shapeAt: Pointer
  readonly bytes: Uint8Array
  readonly bytesAt: Pointer
}

let scratch: Scratch | undefined

function shared(): Scratch {
  if (scratch) return scratch
  const [shape, bytes] = [new SharedMemory(8 * maxRank), new SharedMemory(1024)]
  scratch = {
    shape: new BigInt64Array(shape.buffer),
    shapeAt: shape.address,
    bytes: new Uint8Array(bytes.buffer),
    bytesAt: bytes.address,
  }
  return scratch
}

function copyIn(to: Pointer, from: ArrayBufferView): void {
  const { bytes, bytesAt } = shared()
  if (from.byteLength > bytes.length) libc().memcpy$in(to, from, from.byteLength)
  else if (from.byteLength > 0) {
    bytes.set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength))
    libc().memcpy(to, bytesAt, from.byteLength)
  }
}

function copyOut(from: Pointer, length: number): ArrayBuffer {
  const { bytes, bytesAt } = shared()
  const to = new Uint8Array(length)
  if (length > bytes.length) libc().memcpy$out(to, from, length)
  else if (length > 0) {
    libc().memcpy(bytesAt, from, length)
    to.set(bytes.subarray(0, length))
  }
  return to.buffer
}

/** A TF_Tensor of the given shape with room for its values. */
function allocate(dtype: number, shape: readonly number[], bytes: number): Pointer {
  const memory = shared()
  for (let axis = 0; axis < shape.length; axis++) memory.shape[axis] = BigInt(at(shape, axis))
  return tensorflow().call.TF_AllocateTensor(dtype, memory.shapeAt, shape.length, bytes)
}

/** @throws TensorError unless the shape is one and holds `length` entries */
function requireShape(dtype: number, shape: readonly number[], length: number): void {
  const what = (): string => `a tensor of ${nameOfType(dtype)} and shape [${shape.join(', ')}]`
  if (shape.length > maxRank) throw new TensorError(`${what()}: got ${shape.length} dimensions, expected at most ${maxRank}`)
  const limit = shape.reduce((product, size) => product * Math.max(size, 1), 1) // TensorFlow multiplies them, a zero among them or not
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !Number.isSafeInteger(limit))
    throw new TensorError(`${what()}: expected sizes of 0 or more, whose product is below 2^53`)
  const expected = shape.reduce((product, size) => product * size, 1)
  if (length !== expected) throw new TensorError(`${what()}: got ${length} values, expected ${expected}`)
}

/**
 * A TF_Tensor with the given numbers; to be deleted by the caller.
 * @throws TensorError if they do not fit the shape, or the type is not one of numbers
 */
export function newNumbers(dtype: number, shape: readonly number[], values: unknown): Pointer {
  const width = bytesOfType[dtype]
  if (width === undefined) throw new TensorError(`a tensor of ${nameOfType(dtype)}: expected a type of numbers`)
  if (!ArrayBuffer.isView(values)) throw new TensorError(`a tensor of ${nameOfType(dtype)}: got ${typeof values}, expected a typed array`)
  requireShape(dtype, shape, values.byteLength / width)
  const tensor = allocate(dtype, shape, values.byteLength)
  copyIn(tensorflow().call.TF_TensorData(tensor), values)
  return tensor
}

/**
 * Lends a TF_Tensor of strings to `use`. The strings are freed afterwards, so that whoever wants to keep them must copy them.
 * @throws TensorError if they do not fit the shape
 */
export function withStrings<T>(shape: readonly number[], values: unknown, use: (tensor: Pointer) => T): T {
  const { call } = tensorflow()
  if (!Array.isArray(values) || !values.every((value) => value instanceof Uint8Array))
    throw new TensorError('a tensor of strings: expected their UTF-8 bytes')
  requireShape(dataType.string, shape, values.length)
  const tensor = allocate(dataType.string, shape, bytesOfString * values.length)
  const address = call.TF_TensorData(tensor)
  for (const [i, value] of values.entries()) {
    call.TF_StringInit(address + bytesOfString * i)
    call.TF_StringCopy(address + bytesOfString * i, value, value.byteLength)
  }
  try {
    return use(tensor)
  } finally {
    for (let i = 0; i < values.length; i++) call.TF_StringDealloc(address + bytesOfString * i)
    call.TF_DeleteTensor(tensor)
  }
}

/**
 * The values behind a handle, wherever it is; int64 as BigInt64Array.
 * @throws TensorError if its type has no values that JavaScript can hold (a resource)
 */
export function readValues(handle: Pointer): TensorValues {
  const { call, status, check } = tensorflow()
  const dtype = call.TFE_TensorHandleDataType(handle)
  const arrays: Readonly<Record<number, (typeof arrayOfType)[keyof typeof arrayOfType] | undefined>> = arrayOfType
  const array = arrays[dtype]
  if (!array && dtype !== dataType.string)
    throw new TensorError(`cannot read a tensor of ${nameOfType(dtype)}: expected numbers or strings`)
  const tensor = call.TFE_TensorHandleResolve(handle, status)
  check()
  try {
    const bytes = call.TF_TensorByteSize(tensor)
    const address = bytes > 0 ? call.TF_TensorData(tensor) : 0
    if (array) return new array(copyOut(address, bytes))
    return Array.from({ length: bytes / bytesOfString }, (_, i) => readString(address + bytesOfString * i))
  } finally {
    call.TF_DeleteTensor(tensor)
  }
}

function readString(address: Pointer): Uint8Array {
  const { call } = tensorflow()
  const length = call.TF_StringGetSize(address)
  return new Uint8Array(copyOut(length > 0 ? call.TF_StringGetDataPointer(address) : 0, length))
}
