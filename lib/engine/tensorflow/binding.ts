/**
 * What tfjs-node asks of its compiled addon, in TypeScript: tensors by number, and ops on them. A number is never given twice, so that
 * a tensor that was disposed of is noticed. It stands for the handle of a tensor, or for what a resource (a variable) holds at the time.
 */

import type { Variable } from '@tensorflow/tfjs'
import { at } from '../../base/assertions'
import { TensorError } from '../../base/errors'
import { type Pointer, tensorflow } from './c-api'
import { tensorflowContext } from './context'
import { newNumbers, readValues, type TensorValues, withStrings } from './tensors'
import { attributeType, dataType, type OpAttribute } from './types'

/** An output of an op: a tensor number, its shape, its TensorFlow data type. */
export interface TensorMetadata {
  readonly id: number
  readonly shape: number[]
  readonly dtype: number
}

/** What tfjs needs of TensorFlow. The tracer (graph/) has one of its own, which writes ops down instead of running them. */
export interface Binding {
  createTensor(shape: number[], dtype: number | string, values: ArrayLike<number>): number
  deleteTensor(id: number): void
  tensorDataSync(id: number): TensorValues
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): TensorMetadata[]
  /** Only the tracer has it: see tensor/update-in-place.ts. `inputs` are the variables' values, then what else the op takes. */
  updateInPlace?(
    op: string,
    variables: readonly Variable[],
    inputs: readonly number[],
    attributes: readonly OpAttribute[],
  ): TensorMetadata[]
}

/** The numbers that tfjs-node reads from its addon. */
const constants = {
  TF_FLOAT: dataType.float32,
  TF_INT32: dataType.int32,
  TF_UINT8: dataType.uint8,
  TF_STRING: dataType.string,
  TF_COMPLEX64: dataType.complex64,
  TF_INT64: dataType.int64,
  TF_BOOL: dataType.bool,
  TF_RESOURCE: dataType.resource,
  TF_ATTR_STRING: attributeType.string,
  TF_ATTR_INT: attributeType.int,
  TF_ATTR_FLOAT: attributeType.float,
  TF_ATTR_BOOL: attributeType.bool,
  TF_ATTR_TYPE: attributeType.type,
  TF_ATTR_SHAPE: attributeType.shape,
} as const

/** A resource that a tensor number stands for. */
interface Resource {
  readonly handle: Pointer
  readonly dtype: number
  /** Called when the number is deleted. */
  readonly onDelete: () => void
}

/** Tensor numbers and what they stand for. */
class TensorflowBinding implements Binding {
  private readonly api = tensorflow()
  private readonly context = tensorflowContext()
  private readonly handles = new Map<number, Pointer>()
  private readonly resources = new Map<number, Resource>()
  private lastId = 0

  /**
   * A new tensor with the given values.
   * @throws TensorError if the values do not fit its shape and type
   */
  createTensor(shape: number[], dtype: number | string, values: ArrayLike<number>): number {
    const type = Number(dtype)
    if (type === dataType.string) return this.adopt(this.newStrings(shape, values))
    const tensor = newNumbers(type, shape, values)
    const { call, status, check } = this.api
    const host = call.TFE_NewTensorHandle(tensor, status)
    call.TF_DeleteTensor(tensor)
    check()
    // TensorFlow's kernels want int32 (sizes, indices) in the host's memory.
    if (!this.context.gpu || type === dataType.int32) return this.adopt(host)
    const device = call.TFE_TensorHandleCopyToDevice(host, this.context.pointer, this.context.gpu, status)
    call.TFE_DeleteTensorHandle(host)
    check()
    return this.adopt(device)
  }

  /** A copy of the strings, which TensorFlow owns: joining a list of one. */
  private newStrings(shape: readonly number[], values: unknown): Pointer {
    const { call, status, check } = this.api
    return withStrings(shape, values, (tensor) => {
      const lent = call.TFE_NewTensorHandle(tensor, status)
      check()
      try {
        return at(this.context.execute('StringJoin', [{ name: 'N', type: attributeType.int, value: 1 }], [lent], 1), 0)
      } finally {
        call.TFE_DeleteTensorHandle(lent)
      }
    })
  }

  deleteTensor(id: number): void {
    const handle = this.handles.get(id)
    if (handle !== undefined) {
      this.handles.delete(id)
      this.api.call.TFE_DeleteTensorHandle(handle)
      return
    }
    const resource = this.resources.get(id)
    if (!resource) throw this.missing(id, 'deleting')
    this.resources.delete(id)
    resource.onDelete()
  }

  tensorDataSync(id: number): TensorValues {
    return this.lend(id, 'reading', readValues)
  }

  /**
   * Runs an op, or a function of the context.
   * @throws TensorError if an input is not there; TensorflowError if TensorFlow refuses the op
   */
  executeOp(name: string, attributes: readonly OpAttribute[], inputs: readonly number[], outputs: number): TensorMetadata[] {
    return this.lendAll(inputs, name, (handles) =>
      this.context.execute(name, attributes, handles, outputs).map((handle) => this.describe(handle)),
    )
  }

  isUsingGpuDevice(): boolean {
    return this.context.gpu !== undefined
  }

  getNumOfTensors(): number {
    return this.handles.size + this.resources.size
  }

  // --- Resources -----------------------------------------------------------------------------------------------------------------------

  /** A number that stands for what a resource holds whenever it is used; deleting it leaves the resource as it is. */
  proxyFor(resource: Pointer, dtype: number, onDelete: () => void): number {
    this.resources.set(++this.lastId, { handle: resource, dtype, onDelete })
    return this.lastId
  }

  /** A tensor that keeps what the resource behind a number holds now. */
  snapshot(id: number): number {
    return this.adopt(this.readResource(id, 'reading'))
  }

  /** Puts a tensor's value into a resource; both share it until one of them changes. */
  assign(resource: Pointer, dtype: number, id: number): void {
    const attributes = [{ name: 'dtype', type: attributeType.type, value: dtype }]
    this.lend(id, 'AssignVariableOp', (value) => this.context.execute('AssignVariableOp', attributes, [resource, value], 0))
  }

  /** Runs an op that changes resources, its first inputs, and has no outputs. */
  update(name: string, attributes: readonly OpAttribute[], resources: readonly Pointer[], inputs: readonly number[]): void {
    this.lendAll(inputs, name, (handles) => this.context.execute(name, attributes, [...resources, ...handles], 0))
  }

  private readResource(id: number, user: string): Pointer {
    const resource = this.resources.get(id)
    if (!resource) throw this.missing(id, user)
    const attributes = [{ name: 'dtype', type: attributeType.type, value: resource.dtype }]
    return at(this.context.execute('ReadVariableOp', attributes, [resource.handle], 1), 0)
  }

  private lend<T>(id: number, user: string, use: (handle: Pointer) => T): T {
    return this.lendAll([id], user, (handles) => use(at(handles, 0)))
  }

  /** Lends the handles behind numbers: their own, or ones of what their resources hold now. */
  private lendAll<T>(ids: readonly number[], user: string, use: (handles: Pointer[]) => T): T {
    const reads: Pointer[] = []
    try {
      const handles = ids.map((id) => {
        const handle = this.handles.get(id)
        if (handle !== undefined) return handle
        const read = this.readResource(id, user)
        reads.push(read)
        return read
      })
      return use(handles)
    } finally {
      for (const read of reads) this.api.call.TFE_DeleteTensorHandle(read)
    }
  }

  private missing(id: unknown, user: string): TensorError {
    const why = typeof id === 'number' && id > 0 && id <= this.lastId ? 'one that was disposed of' : 'one that was never made'
    return new TensorError(`${user}: got the tensor number ${String(id)}, ${why}; expected a living tensor`)
  }

  /** Gives a handle a number. */
  private adopt(handle: Pointer): number {
    this.handles.set(++this.lastId, handle)
    return this.lastId
  }

  private describe(handle: Pointer): TensorMetadata {
    const { call, status, check } = this.api
    const rank = call.TFE_TensorHandleNumDims(handle, status)
    check()
    const shape = new Array<number>(rank)
    for (let axis = 0; axis < rank; axis++) shape[axis] = call.TFE_TensorHandleDim(handle, axis, status)
    return { id: this.adopt(handle), shape, dtype: call.TFE_TensorHandleDataType(handle) }
  }
}

/** The binding as tfjs-node's backend takes it. */
export type TfjsBinding = TensorflowBinding & typeof constants

export const newBinding = (): TfjsBinding => Object.assign(new TensorflowBinding(), constants)
