/**
 * Where compiled functions run: one TensorFlow context of its own, with the threads that suit the model. It also holds the variables that
 * compiled functions use; see VariableStore for who owns a value when.
 */
import { availableParallelism } from 'node:os'
import { backend, type TensorData, typeNumbers } from '../tensor/op'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { bytesOfType, configProto, newTensor, type Pointer, type TensorflowLibrary, tensorflow } from './tensorflow'

/** Sizes of TensorFlow's two thread pools. */
export interface Threads {
  /** Ops that run at the same time. */
  readonly interOp: number
  /** Threads inside one op. */
  readonly intraOp: number
}

/**
 * As many ops at a time as there are cores, one thread each: the experts are independent branches, so that parallelism between ops beats
 * parallelism inside them (1.4 times, measured on 2 cores at the default configuration). `MAKEMOE_THREADS=inter/intra` overrides it.
 */
export function defaultThreads(): Threads {
  const [interOp, intraOp] = (process.env.MAKEMOE_THREADS ?? '').split('/').map(Number)
  if (Number.isInteger(interOp) && Number.isInteger(intraOp) && (interOp as number) > 0 && (intraOp as number) > 0)
    return { interOp: interOp as number, intraOp: intraOp as number }
  return { interOp: availableParallelism(), intraOp: 1 }
}

const arrayOf = (dtype: number, length: number): Float32Array | Int32Array | Uint8Array =>
  dtype === 1 ? new Float32Array(length) : dtype === 3 ? new Int32Array(length) : new Uint8Array(length)

const tfjsType: Readonly<Record<number, 'float32' | 'int32' | 'bool'>> = { 1: 'float32', 3: 'int32', 10: 'bool' }

/** TensorFlow's number for a tensor's type. */
export const typeOf = (tensor: Tensor): number => typeNumbers[tensor.dtype] ?? 0

/** A variable in the context. */
interface Slot {
  readonly variable: Variable
  readonly name: string
  /** TensorFlow's handle of the resource. */
  readonly handle: Pointer
  /** The tfjs data that holds, or stands for, the same value. */
  dataId: object
  /** The value is newer here than anything that tfjs has read. */
  newer: boolean
  users: number
}

/** The context, made when it is first needed. */
export class GraphRuntime {
  private readonly library: TensorflowLibrary = tensorflow()
  readonly context: Pointer
  private readonly slots = new Map<Variable, Slot>()
  private names = 0

  constructor(readonly threads: Threads = defaultThreads()) {
    const { call, status } = this.library
    const options = call.TFE_NewContextOptions() as Pointer
    const config = configProto(threads)
    call.TFE_ContextOptionsSetConfig(options, config, config.length, status)
    this.library.check()
    this.context = call.TFE_NewContext(options, status)
    this.library.check()
    call.TFE_DeleteContextOptions(options)
  }

  /** A name that no other function or variable of this context has. */
  newName(kind: string): string {
    return `makemoe_${kind}_${this.names++}`
  }

  /** Runs an op or a function on tensor handles; the results are to be deleted by the caller. */
  execute(name: string, inputs: readonly Pointer[], outputs: number, setAttributes?: (op: Pointer) => void): Pointer[] {
    const { call, status } = this.library
    const op = call.TFE_NewOp(this.context, name, status) as Pointer
    this.library.check()
    setAttributes?.(op)
    for (const input of inputs) call.TFE_OpAddInput(op, input, status)
    const results = new BigInt64Array(Math.max(outputs, 1))
    const count = Int32Array.of(outputs)
    call.TFE_Execute(op, results, count, status)
    call.TFE_DeleteOp(op)
    this.library.check()
    return Array.from(results.subarray(0, outputs), Number)
  }

  /** A handle of a tfjs tensor's value. */
  handleOf(tensor: Tensor): Pointer {
    const { call, status } = this.library
    const raw = newTensor(typeOf(tensor), tensor.shape, tensor.dataSync() as Float32Array)
    const handle = call.TFE_NewTensorHandle(raw, status) as Pointer
    call.TF_DeleteTensor(raw)
    this.library.check()
    return handle
  }

  /** The numbers behind a handle, and their shape. */
  read(handle: Pointer): { values: Float32Array | Int32Array | Uint8Array; shape: number[]; dtype: 'float32' | 'int32' | 'bool' } {
    const { call, status } = this.library
    const raw = call.TFE_TensorHandleResolve(handle, status) as Pointer
    this.library.check()
    const dtype = call.TF_TensorType(raw) as number
    const shape = Array.from({ length: call.TF_NumDims(raw) }, (_, axis) => Number(call.TF_Dim(raw, axis)))
    const bytes = Number(call.TF_TensorByteSize(raw))
    const values = arrayOf(dtype, bytes / (bytesOfType[dtype] as number))
    if (bytes > 0) this.library.read(values, call.TF_TensorData(raw), bytes)
    call.TF_DeleteTensor(raw)
    return { values, shape, dtype: tfjsType[dtype] ?? 'float32' }
  }

  delete(handle: Pointer): void {
    this.library.call.TFE_DeleteTensorHandle(handle)
  }

  // --- Variables ---------------------------------------------------------------------------------------------------------------------
  // A variable's value is in tfjs, here, or in both. Before a compiled call, what was assigned in tfjs since is pushed; after it, what the
  // call assigned is newer here, and the tfjs variable gets a data entry that fetches the value when somebody reads it.

  /** The name of a variable's resource here; a user more of it. */
  use(variable: Variable): string {
    const known = this.slots.get(variable)
    if (known) {
      known.users++
      return known.name
    }
    const name = this.newName('variable')
    const dtype = typeOf(variable)
    const [handle] = this.execute('VarHandleOp', [], 1, (op) => {
      const { call, status } = this.library
      call.TFE_OpSetAttrType(op, 'dtype', dtype)
      call.TFE_OpSetAttrShape(op, 'shape', BigInt64Array.from(variable.shape, BigInt), variable.rank, status)
      call.TFE_OpSetAttrString(op, 'shared_name', name, name.length)
      call.TFE_OpSetAttrString(op, 'container', '', 0)
    })
    this.slots.set(variable, { variable, name, handle: handle as Pointer, dataId: {}, newer: false, users: 1 })
    return name
  }

  /** A user less; a variable without users lives in tfjs alone again. */
  release(variable: Variable): void {
    const slot = this.slots.get(variable)
    if (!slot || --slot.users > 0) return
    if (slot.newer && !variable.isDisposed) variable.dataSync()
    this.execute('DestroyResourceOp', [slot.handle], 0)
    this.delete(slot.handle)
    this.slots.delete(variable)
  }

  /** Brings the values of variables here up to date. */
  push(variables: readonly Variable[], assigned: ReadonlySet<Variable>): void {
    const { tensorMap } = backend()
    for (const variable of variables) {
      const slot = this.slots.get(variable) as Slot
      if (variable.dataId !== slot.dataId) {
        const value = this.handleOf(variable)
        this.execute('AssignVariableOp', [slot.handle, value], 0, (op) =>
          this.library.call.TFE_OpSetAttrType(op, 'dtype', typeOf(variable)),
        )
        this.delete(value)
        slot.dataId = variable.dataId
        slot.newer = false
      } else if (slot.newer && assigned.has(variable) && tensorMap.get(slot.dataId).refCount > 1) {
        // Somebody holds a copy that was never read; it must keep the value of its time.
        variable.dataSync()
      }
    }
  }

  /** Notes that variables have new values here. */
  markNewer(variables: Iterable<Variable>): void {
    const node = backend()
    for (const variable of variables) {
      const slot = this.slots.get(variable) as Slot
      if (slot.newer) continue
      const dataId = {}
      node.tensorMap.set(dataId, this.fetchedLater(slot, node.tensorMap.get(variable.dataId)))
      const tensor = tf.engine().makeTensorFromTensorInfo({ dataId, shape: variable.shape, dtype: variable.dtype })
      variable.assign(tensor)
      tensor.dispose()
      slot.dataId = dataId
      slot.newer = true
    }
  }

  /** A tfjs data entry whose numbers are fetched from here when they are first read. */
  private fetchedLater(slot: Slot, { shape, dtype }: TensorData): TensorData {
    let fetched: ArrayLike<number> | null | undefined
    const fetch = (): ArrayLike<number> => {
      const [handle] = this.execute('ReadVariableOp', [slot.handle], 1, (op) =>
        this.library.call.TFE_OpSetAttrType(op, 'dtype', typeOf(slot.variable)),
      )
      const { values } = this.read(handle as Pointer)
      this.delete(handle as Pointer)
      slot.newer = false
      return values
    }
    return {
      shape,
      dtype,
      id: -1,
      refCount: 1,
      get values() {
        if (fetched === undefined) fetched = fetch()
        return fetched
      },
      set values(values) {
        fetched = values // tfjs sets null once the addon has a copy
      },
    }
  }
}

let shared: GraphRuntime | undefined

/** The context that compiled functions share. */
export function graphRuntime(): GraphRuntime {
  shared ??= new GraphRuntime()
  return shared
}
