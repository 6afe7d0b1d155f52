/**
 * The one TensorFlow context of a process: its devices, its threads, its resources and functions, and the way to run an op or a function
 * on handles of tensors.
 */
import { availableParallelism } from 'node:os'
import { SharedMemory } from '../../base/libc'
import { type Pointer, tensorflow } from './c-api'
import { configProto, opDefinition, type Threads } from './protos'
import { withQuietStderr } from './quiet'
import { attributeType, type OpAttribute } from './types'

/**
 * As many ops at a time as there are cores, one thread each: the experts are independent branches, so that parallelism between ops beats
 * parallelism inside them (1.4 times, measured on 2 cores at the default configuration). `MAKEMOE_THREADS=inter/intra` overrides it.
 */
export function defaultThreads(): Threads {
  const [interOp = 0, intraOp = 0] = (process.env.MAKEMOE_THREADS ?? '').split('/').map(Number)
  if (Number.isInteger(interOp) && Number.isInteger(intraOp) && interOp > 0 && intraOp > 0) return { interOp, intraOp }
  return { interOp: availableParallelism(), intraOp: 1 }
}

export class TensorflowContext {
  readonly pointer: Pointer
  /** The GPU's name, if TensorFlow sees one. */
  readonly gpu: string | undefined
  private readonly api = tensorflow()
  /** One operation serves all calls: it is reset instead of made anew. Until then it keeps its last inputs alive. */
  private operation: Pointer = 0
  /** Where TFE_Execute puts the number of results, and then the results. */
  private results = new SharedMemory(8 * (1 + 63))
  private resultWords = new BigInt64Array(this.results.buffer)
  private names = 0

  constructor(readonly threads: Threads = defaultThreads()) {
    const { call, status, check } = this.api
    const options = call.TFE_NewContextOptions()
    const config = configProto(threads)
    call.TFE_ContextOptionsSetConfig(options, config, config.length, status)
    check()
    this.pointer = call.TFE_NewContext(options, status)
    check()
    call.TFE_DeleteContextOptions(options)
    this.gpu = this.deviceNames('GPU')[0]
  }

  /** Names of the context's devices of a kind, such as `/job:localhost/replica:0/task:0/device:GPU:0`. */
  private deviceNames(kind: 'CPU' | 'GPU'): string[] {
    const { call, status, check } = this.api
    const list = call.TFE_ContextListDevices(this.pointer, status)
    check()
    const all = Array.from({ length: call.TF_DeviceListCount(list) }, (_, i) => i)
    const names = all.filter((i) => call.TF_DeviceListType(list, i, status) === kind).map((i) => call.TF_DeviceListName(list, i, status))
    call.TF_DeleteDeviceList(list)
    return names
  }

  /** A name that no other function or resource of this context has. */
  newName(kind: string): string {
    return `makemoe_${kind}_${this.names++}`
  }

  /**
   * Runs an op, or a function of the context, on handles.
   * @param inputs flat, lists included
   * @param outputs at least as many as the op has
   * @returns handles of the results, which belong to the caller
   * @throws TensorflowError
   */
  execute(name: string, attributes: readonly OpAttribute[], inputs: readonly Pointer[], outputs: number): Pointer[] {
    const { call, status, check } = this.api
    requireInputs(name, inputs.length)
    if (!Number.isInteger(outputs) || outputs < 0) throw new TypeError(`${name}: got ${outputs} outputs, expected a number of them`)
    if (this.operation === 0) this.operation = call.TFE_NewOp(this.pointer, name, status)
    else call.TFE_OpReset(this.operation, name, '', status)
    check()
    for (const input of inputs) {
      call.TFE_OpAddInput(this.operation, input, status)
      check()
    }
    for (const attribute of attributes) this.setAttribute(attribute)
    if (outputs >= this.resultWords.length) {
      this.results = new SharedMemory(8 * (1 + outputs))
      this.resultWords = new BigInt64Array(this.results.buffer)
    }
    const { address } = this.results
    this.resultWords[0] = BigInt(outputs)
    call.TFE_Execute(this.operation, address + 8, address, status)
    check()
    const handles = new Array<Pointer>(Number(this.resultWords[0]))
    for (let i = 0; i < handles.length; i++) handles[i] = Number(this.resultWords[i + 1])
    return handles
  }

  private setAttribute({ name, type, value }: OpAttribute): void {
    const { call, status, check } = this.api
    const op = this.operation
    const refuse = (expected: string): never => {
      throw new TypeError(`the attribute ${name}: got ${Array.isArray(value) ? `[${value}]` : String(value)}, expected ${expected}`)
    }
    const isInteger = type === attributeType.int || type === attributeType.type || type === attributeType.shape
    if (Array.isArray(value)) {
      if (isInteger && !value.every(Number.isSafeInteger)) refuse('integers')
      if (type === attributeType.shape) {
        call.TFE_OpSetAttrShape(op, name, BigInt64Array.from(value, BigInt), value.length, status)
        check()
      } else if (type === attributeType.int) call.TFE_OpSetAttrIntList(op, name, BigInt64Array.from(value, BigInt), value.length)
      else if (type === attributeType.type) call.TFE_OpSetAttrTypeList(op, name, Int32Array.from(value), value.length)
      else if (type === attributeType.float) call.TFE_OpSetAttrFloatList(op, name, Float32Array.from(value), value.length)
      else if (type === attributeType.bool) call.TFE_OpSetAttrBoolList(op, name, Uint8Array.from(value, Number), value.length)
      else refuse('a list of shape, int, type, float or bool')
    } else if (type === attributeType.string) {
      const text = String(value)
      call.TFE_OpSetAttrString(op, name, text, Buffer.byteLength(text))
    } else if (type === attributeType.bool) call.TFE_OpSetAttrBool(op, name, value ? 1 : 0)
    else if (typeof value !== 'number') refuse('a number')
    else if (type === attributeType.float) call.TFE_OpSetAttrFloat(op, name, value)
    else if (!Number.isSafeInteger(value)) refuse('an integer')
    else if (type === attributeType.int) call.TFE_OpSetAttrInt(op, name, value)
    else if (type === attributeType.type) call.TFE_OpSetAttrType(op, name, value)
    else refuse('a string, bool, int, float or type')
  }
}

/** Too many inputs would make TensorFlow read outside its memory; that they are too few it notices itself. */
function requireInputs(op: string, got: number): void {
  const definition = opDefinition(op)
  if (!definition || got <= definition.inputs.length) return
  if (definition.inputs.some(({ numberAttr, typeListAttr }) => numberAttr !== '' || typeListAttr !== '')) return // lists: any number
  throw new TypeError(`${op}: got ${got} inputs, expected ${definition.inputs.length}`)
}

let shared: TensorflowContext | undefined

/** The context, made when it is first asked for. */
export function tensorflowContext(): TensorflowContext {
  shared ??= withQuietStderr(() => new TensorflowContext())
  return shared
}
