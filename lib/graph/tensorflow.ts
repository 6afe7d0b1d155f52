/**
 * TensorFlow's C API, as much of it as graphs need, called through koffi. Pointers are plain numbers here; every call that can fail
 * throws with TensorFlow's own message.
 */
import { Field, Root, Type } from 'protobufjs/light'
import { backend } from '../tensor/op'

/** A pointer. */
export type Pointer = number

/** An output of an operation, as the C API takes it by value. */
export interface TfOutput {
  readonly oper: Pointer
  readonly index: number
}

type Signature = readonly [result: string, ...parameters: string[]]

const P = 'uint64_t'

/** The functions of libtensorflow_cc that we call; the status is always the last argument where there is one. */
const signatures = {
  TFE_NewContextOptions: [P],
  TFE_ContextOptionsSetConfig: ['void', P, 'void*', 'size_t', P],
  TFE_DeleteContextOptions: ['void', P],
  TFE_NewContext: [P, P, P],
  TFE_ContextAddFunction: ['void', P, P, P],
  TFE_ContextRemoveFunction: ['void', P, 'str', P],
  TFE_ContextClearCaches: ['void', P],
  TFE_NewOp: [P, P, 'str', P],
  TFE_DeleteOp: ['void', P],
  TFE_OpAddInput: ['void', P, P, P],
  TFE_OpSetAttrType: ['void', P, 'str', 'int'],
  TFE_OpSetAttrString: ['void', P, 'str', 'str', 'size_t'],
  TFE_OpSetAttrShape: ['void', P, 'str', 'void*', 'int', P],
  TFE_Execute: ['void', P, 'void*', 'void*', P],
  TFE_NewTensorHandle: [P, P, P],
  TFE_DeleteTensorHandle: ['void', P],
  TFE_TensorHandleResolve: [P, P, P],
  TF_NewGraph: [P],
  TF_DeleteGraph: ['void', P],
  TF_NewOperation: [P, P, 'str', 'str'],
  TF_AddInput: ['void', P, 'TF_Output'],
  TF_AddInputList: ['void', P, 'void*', 'int'],
  TF_AddControlInput: ['void', P, P],
  TF_SetAttrString: ['void', P, 'str', 'str', 'size_t'],
  TF_SetAttrInt: ['void', P, 'str', 'int64_t'],
  TF_SetAttrFloat: ['void', P, 'str', 'float'],
  TF_SetAttrBool: ['void', P, 'str', 'uint8_t'],
  TF_SetAttrType: ['void', P, 'str', 'int'],
  TF_SetAttrShape: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrIntList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrFloatList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrTypeList: ['void', P, 'str', 'void*', 'int'],
  TF_SetAttrTensor: ['void', P, 'str', P, P],
  TF_FinishOperation: [P, P, P],
  TF_OperationNumOutputs: ['int', P],
  TF_OperationOutputType: ['int', 'TF_Output'],
  TF_GraphGetTensorNumDims: ['int', P, 'TF_Output', P],
  TF_GraphGetTensorShape: ['void', P, 'TF_Output', 'void*', 'int', P],
  TF_GraphSetTensorShape: ['void', P, 'TF_Output', 'void*', 'int', P],
  TF_GraphToFunctionWithControlOutputs: [
    ...[P, P, 'str', 'uint8_t', 'int', 'void*', 'int', 'void*', 'int', 'void*', 'void*'],
    ...['int', 'void*', 'void*', P, 'str', P],
  ],
  TF_DeleteFunction: ['void', P],
  TF_GetAllOpList: [P],
} as const satisfies Record<string, Signature>

/** The functions of libtensorflow_framework that we call. */
const frameworkSignatures = {
  TF_NewStatus: [P],
  TF_GetCode: ['int', P],
  TF_Message: ['str', P],
  TF_AllocateTensor: [P, 'int', 'void*', 'int', 'size_t'],
  TF_DeleteTensor: ['void', P],
  TF_TensorData: [P, P],
  TF_TensorByteSize: ['size_t', P],
  TF_NumDims: ['int', P],
  TF_Dim: ['int64_t', P, 'int'],
  TF_TensorType: ['int', P],
} as const satisfies Record<string, Signature>

type Argument = number | string | boolean | TfOutput | ArrayBufferView | null
type Functions = Record<keyof typeof signatures | keyof typeof frameworkSignatures, (...args: Argument[]) => never>

/** What a function argument of an op looks like: `values` of ConcatV2 is a list whose length is the attribute `N`. */
export interface OpDefinition {
  readonly inputs: readonly { readonly numberAttr: string }[]
  readonly stateful: boolean
}

/** The loaded library. */
export interface TensorflowLibrary {
  readonly call: Functions
  /** The status that calls report to. */
  readonly status: Pointer
  /** Throws if the last call failed. */
  check(): void
  /** memcpy between TensorFlow's memory and ours. */
  read(into: ArrayBufferView, from: Pointer, bytes: number): void
  write(to: Pointer, from: ArrayBufferView, bytes: number): void
  /** How each op takes its inputs. */
  readonly ops: ReadonlyMap<string, OpDefinition>
}

let loaded: TensorflowLibrary | undefined

/** Loads the library; the addon has it in memory already, so that both share it. */
export function tensorflow(): TensorflowLibrary {
  loaded ??= load()
  return loaded
}

function load(): TensorflowLibrary {
  const koffi = require('koffi') as typeof import('koffi')
  const mac = process.platform === 'darwin'
  backend() // the addon has loaded both libraries; by name they are found again
  const framework = koffi.load(mac ? '@rpath/libtensorflow_framework.2.dylib' : 'libtensorflow_framework.so.2')
  const library = koffi.load(mac ? '@rpath/libtensorflow_cc.2.dylib' : 'libtensorflow_cc.so.2')
  const libc = koffi.load(mac ? '/usr/lib/libSystem.B.dylib' : 'libc.so.6')
  koffi.struct('TF_Output', { oper: P, index: 'int' })
  const bind = (from: typeof library, table: Readonly<Record<string, Signature>>): [string, unknown][] =>
    Object.entries(table).map(([name, [result, ...parameters]]) => [name, from.func(name, result, parameters)])
  const call = Object.fromEntries([...bind(library, signatures), ...bind(framework, frameworkSignatures)]) as Functions
  const status = call.TF_NewStatus() as Pointer
  const memcpyIn = libc.func('memcpy', P, [P, 'void*', 'size_t'])
  const memcpyOut = libc.func('memcpy', P, ['void*', P, 'size_t'])
  const read = (into: ArrayBufferView, from: Pointer, bytes: number): void => void memcpyOut(into, from, bytes)
  return {
    call,
    status,
    check() {
      if ((call.TF_GetCode(status) as number) !== 0) throw new Error(call.TF_Message(status))
    },
    read,
    write: (to, from, bytes) => void memcpyIn(to, from, bytes),
    ops: readOps(call.TF_GetAllOpList() as Pointer, read),
  }
}

/** Reads the registry of ops (op_def.proto). */
function readOps(buffer: Pointer, read: TensorflowLibrary['read']): Map<string, OpDefinition> {
  const header = new BigUint64Array(2) // TF_Buffer: data, length, deallocator
  read(header, buffer, 16)
  const bytes = new Uint8Array(Number(header[1]))
  read(bytes, Number(header[0]), bytes.length)
  const root = new Root()
  const argument = new Type('ArgDef').add(new Field('numberAttr', 5, 'string'))
  const definition = new Type('OpDef')
    .add(new Field('name', 1, 'string'))
    .add(new Field('inputArg', 2, 'ArgDef', 'repeated'))
    .add(new Field('isStateful', 17, 'bool'))
  const list = new Type('OpList').add(new Field('op', 1, 'OpDef', 'repeated'))
  root.add(argument).add(definition).add(list)
  interface Decoded {
    op: { name: string; inputArg: { numberAttr: string }[]; isStateful: boolean }[]
  }
  const { op } = list.decode(bytes) as unknown as Decoded
  return new Map(op.map(({ name, inputArg, isStateful }) => [name, { inputs: inputArg, stateful: isStateful }]))
}

/** Bytes of a number type (types.proto): float32, int32, uint8, int16, int64, bool. */
export const bytesOfType: Readonly<Record<number, number>> = { 1: 4, 3: 4, 4: 1, 5: 2, 9: 8, 10: 1 }

/** A TF_Tensor with the given numbers; to be deleted by the caller. */
export function newTensor(dtype: number, shape: readonly number[], values: ArrayBufferView): Pointer {
  const { call, write } = tensorflow()
  const dims = BigInt64Array.from(shape, BigInt)
  const tensor = call.TF_AllocateTensor(dtype, dims, shape.length, values.byteLength) as Pointer
  if (values.byteLength > 0) write(call.TF_TensorData(tensor), values, values.byteLength)
  return tensor
}

/** ConfigProto with the sizes of the two thread pools (config.proto: intra_op_parallelism_threads 2, inter_op_parallelism_threads 5). */
export function configProto(threads: { readonly interOp: number; readonly intraOp: number }): Uint8Array {
  const type = new Type('ConfigProto').add(new Field('intraOp', 2, 'int32')).add(new Field('interOp', 5, 'int32'))
  return type.encode(type.create({ ...threads })).finish()
}
