/** What we read and write of TensorFlow's protocol buffers: the context's options, how ops take their inputs, which kernels there are. */
import { Field, Root, Type } from 'protobufjs/light'
import { libc } from '../../base/libc'
import { type Pointer, TensorflowError, tensorflow } from './c-api'

/** Sizes of TensorFlow's two thread pools. */
export interface Threads {
  /** Ops that run at the same time. */
  readonly interOp: number
  /** Threads inside one op. */
  readonly intraOp: number
}

/**
 * ConfigProto (config.proto): the thread pools; GPU memory taken as it is needed, not all of it at the start; an op whose device has no
 * kernel for it runs on the host instead of failing.
 */
export function configProto({ interOp, intraOp }: Threads): Uint8Array {
  const gpuOptions = new Type('GPUOptions').add(new Field('allowGrowth', 4, 'bool'))
  const config = new Type('ConfigProto')
    .add(new Field('intraOpParallelismThreads', 2, 'int32'))
    .add(new Field('interOpParallelismThreads', 5, 'int32'))
    .add(new Field('gpuOptions', 6, 'GPUOptions'))
    .add(new Field('allowSoftPlacement', 7, 'bool'))
  new Root().add(gpuOptions).add(config)
  const values = {
    intraOpParallelismThreads: intraOp,
    interOpParallelismThreads: interOp,
    gpuOptions: { allowGrowth: true },
    allowSoftPlacement: true,
  }
  return config.encode(config.fromObject(values)).finish()
}

/** How an op takes its inputs: `values` of ConcatV2 is a list whose length is the attribute `N`. */
export interface OpDefinition {
  /** `numberAttr`: the attribute that says how many tensors of one type; `typeListAttr`: the one that lists their types. Or both empty. */
  readonly inputs: readonly { readonly numberAttr: string; readonly typeListAttr: string }[]
  /** Whether it has effects or a state, such as that of a random generator. */
  readonly stateful: boolean
}

/** TF_NOT_FOUND. */
const notFound = 5
const definitions = new Map<string, OpDefinition | undefined>()

/** An op's definition (op_def.proto), or undefined if there is no such op. */
export function opDefinition(op: string): OpDefinition | undefined {
  if (!definitions.has(op)) definitions.set(op, readDefinition(op))
  return definitions.get(op)
}

let noGraph: Pointer | undefined

function readDefinition(op: string): OpDefinition | undefined {
  const { call, status, check } = tensorflow()
  noGraph ??= call.TF_NewGraph() // the API asks for one, for ops that a graph itself defines
  const buffer = call.TF_NewBuffer()
  call.TF_GraphGetOpDef(noGraph, op, buffer, status)
  try {
    check()
  } catch (error) {
    call.TF_DeleteBuffer(buffer)
    if (error instanceof TensorflowError && error.code === notFound) return undefined
    throw error
  }
  const argument = new Type('ArgDef').add(new Field('numberAttr', 5, 'string')).add(new Field('typeListAttr', 6, 'string'))
  const definition = new Type('OpDef').add(new Field('inputArg', 2, 'ArgDef', 'repeated')).add(new Field('isStateful', 17, 'bool'))
  new Root().add(argument).add(definition)
  const { inputArg, isStateful } = decode<{ inputArg: OpDefinition['inputs']; isStateful: boolean }>(definition, buffer)
  return { inputs: inputArg, stateful: isStateful }
}

/** A kernel: one op's implementation on one kind of device. */
export interface KernelDefinition {
  /** `CPU`, `GPU`, or `DEFAULT` for any. */
  readonly deviceType: string
  /** The types that it takes, by the name of the op's attribute; an attribute that is not there may be anything. */
  readonly types: Readonly<Record<string, readonly number[]>>
  /** Arguments that are in the host's memory even where the device is a GPU. */
  readonly hostMemory: readonly string[]
}

/** The kernels that the loaded libraries have for an op (KernelList of kernel_def.proto). */
export function kernelsOf(op: string): KernelDefinition[] {
  const values = new Type('ListValue').add(new Field('type', 6, 'int32', 'repeated'))
  const value = new Type('AttrValue').add(new Field('list', 1, 'ListValue'))
  const constraint = new Type('AttrConstraint').add(new Field('name', 1, 'string')).add(new Field('allowedValues', 2, 'AttrValue'))
  const kernel = new Type('KernelDef')
    .add(new Field('deviceType', 2, 'string'))
    .add(new Field('constraint', 3, 'AttrConstraint', 'repeated'))
    .add(new Field('hostMemoryArg', 4, 'string', 'repeated'))
  const list = new Type('KernelList').add(new Field('kernel', 1, 'KernelDef', 'repeated'))
  const root = new Root()
  for (const type of [values, value, constraint, kernel, list]) root.add(type)
  interface KernelList {
    readonly kernel: readonly {
      readonly deviceType: string
      readonly constraint: readonly { readonly name: string; readonly allowedValues: { readonly list: { readonly type: number[] } } }[]
      readonly hostMemoryArg: readonly string[]
    }[]
  }
  const { call, status, check } = tensorflow()
  const buffer = call.TF_GetRegisteredKernelsForOp(op, status)
  check()
  return decode<KernelList>(list, buffer).kernel.map(({ deviceType, constraint, hostMemoryArg }) => ({
    deviceType,
    types: Object.fromEntries(constraint.map(({ name, allowedValues }) => [name, allowedValues.list.type])),
    hostMemory: hostMemoryArg,
  }))
}

/** Decodes a TF_Buffer, and frees it. The type describes the fields of `T`. */
function decode<T>(type: Type, buffer: Pointer): T {
  return type.decode(takeBytes(buffer)) as unknown as T
}

/** The bytes of a TF_Buffer (data, length, deallocator), which is freed. */
export function takeBytes(buffer: Pointer): Uint8Array {
  const header = new BigUint64Array(2)
  libc().memcpy$out(header, buffer, 16)
  const [data = 0n, length = 0n] = header
  const bytes = new Uint8Array(Number(length))
  if (bytes.length > 0) libc().memcpy$out(bytes, Number(data), bytes.length)
  tensorflow().call.TF_DeleteBuffer(buffer)
  return bytes
}
