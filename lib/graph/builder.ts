/**
 * A TF_Graph under construction: operations are added one by one, and TensorFlow checks and infers their shapes as they come.
 */
import type { OpAttribute } from '../tensor/op'
import { backend } from '../tensor/op'
import { newTensor, type Pointer, type TfOutput, tensorflow } from './tensorflow'

/** An operation in a graph. */
export interface Operation {
  readonly pointer: Pointer
  readonly name: string
}

/** A value of an attribute that only graphs have: a tensor. */
export interface TensorValue {
  readonly dtype: number
  readonly shape: readonly number[]
  readonly values: ArrayBufferView
}

/** Adds operations to a TF_Graph. */
export class GraphBuilder {
  readonly graph: Pointer
  private count = 0
  private readonly tf = tensorflow()

  constructor() {
    this.graph = this.tf.call.TF_NewGraph()
  }

  /**
   * Adds an operation.
   * @param inputs flat, as eager ops take them; lists are found by the op's definition
   * @throws Error with TensorFlow's message if the op, an attribute or a shape does not fit
   */
  add(
    op: string,
    inputs: readonly TfOutput[],
    attributes: readonly OpAttribute[] = [],
    { control = [], tensors = {} }: { control?: readonly Pointer[]; tensors?: Readonly<Record<string, TensorValue>> } = {},
  ): Operation {
    const { call, status } = this.tf
    const name = `${op}_${this.count++}`
    const description = call.TF_NewOperation(this.graph, op, name) as Pointer
    this.addInputs(op, description, inputs, attributes)
    for (const operation of control) call.TF_AddControlInput(description, operation)
    for (const attribute of attributes) this.setAttribute(description, attribute)
    for (const [key, { dtype, shape, values }] of Object.entries(tensors)) {
      const tensor = newTensor(dtype, shape, values)
      call.TF_SetAttrType(description, 'dtype', dtype)
      call.TF_SetAttrTensor(description, key, tensor, status)
      call.TF_DeleteTensor(tensor)
      this.tf.check()
    }
    const pointer = call.TF_FinishOperation(description, status) as Pointer
    this.tf.check()
    return { pointer, name }
  }

  /** A constant. */
  constant(value: TensorValue): TfOutput {
    return { oper: this.add('Const', [], [], { tensors: { value } }).pointer, index: 0 }
  }

  /** An argument of a function; shape -1: unknown. */
  placeholder(dtype: number, shape: readonly number[]): TfOutput {
    const types = backend().binding
    const attributes = [
      { name: 'dtype', type: types.TF_ATTR_TYPE as number, value: dtype },
      { name: 'shape', type: types.TF_ATTR_SHAPE as number, value: shape },
    ]
    return { oper: this.add('Placeholder', [], attributes).pointer, index: 0 }
  }

  private addInputs(op: string, description: Pointer, inputs: readonly TfOutput[], attributes: readonly OpAttribute[]): void {
    const { call, ops } = this.tf
    const definition = ops.get(op)
    if (!definition) throw new Error(`TensorFlow has no op ${op}`)
    let at = 0
    for (const { numberAttr } of definition.inputs) {
      if (numberAttr === '') {
        const input = inputs[at++]
        if (input) call.TF_AddInput(description, input as TfOutput)
        continue
      }
      // All lists of an op have the same length; if the attribute was left out, it is the inputs' share.
      const given = attributes.find(({ name }) => name === numberAttr)?.value as number | undefined
      const lists = definition.inputs.filter((input) => input.numberAttr === numberAttr).length
      const length = given ?? (inputs.length - (definition.inputs.length - lists)) / lists
      const packed = new BigInt64Array(2 * length)
      for (let i = 0; i < length; i++) {
        const { oper, index } = inputs[at++] as TfOutput
        packed[2 * i] = BigInt(oper)
        packed[2 * i + 1] = BigInt(index)
      }
      call.TF_AddInputList(description, packed, length)
    }
  }

  private setAttribute(description: Pointer, { name, type, value }: OpAttribute): void {
    if (value === undefined || value === null) return
    const { call } = this.tf
    const types = backend().binding
    if (Array.isArray(value)) {
      if (type === types.TF_ATTR_SHAPE) call.TF_SetAttrShape(description, name, BigInt64Array.from(value, BigInt), value.length)
      else if (type === types.TF_ATTR_INT) call.TF_SetAttrIntList(description, name, BigInt64Array.from(value, BigInt), value.length)
      else if (type === types.TF_ATTR_FLOAT) call.TF_SetAttrFloatList(description, name, Float32Array.from(value), value.length)
      else if (type === types.TF_ATTR_TYPE) call.TF_SetAttrTypeList(description, name, Int32Array.from(value), value.length)
      else throw new Error(`the list attribute ${name} has a type that graphs cannot take yet`)
    } else if (type === types.TF_ATTR_STRING) {
      const text = String(value)
      call.TF_SetAttrString(description, name, text, Buffer.byteLength(text))
    } else if (type === types.TF_ATTR_INT) call.TF_SetAttrInt(description, name, value as number)
    else if (type === types.TF_ATTR_FLOAT) call.TF_SetAttrFloat(description, name, value as number)
    else if (type === types.TF_ATTR_BOOL) call.TF_SetAttrBool(description, name, value ? 1 : 0)
    else if (type === types.TF_ATTR_TYPE) call.TF_SetAttrType(description, name, value as number)
    else throw new Error(`the attribute ${name} has a type that graphs cannot take`)
  }

  /** The data types of an operation's outputs. */
  outputTypes(operation: Pointer): number[] {
    const { call } = this.tf
    const count = call.TF_OperationNumOutputs(operation) as number
    return Array.from({ length: count }, (_, index) => call.TF_OperationOutputType({ oper: operation, index }))
  }

  /** The inferred shape of an output, -1 where it is unknown; undefined if not even the rank is known. */
  shape(output: TfOutput): number[] | undefined {
    const { call, status } = this.tf
    const rank = call.TF_GraphGetTensorNumDims(this.graph, output, status) as number
    this.tf.check()
    if (rank < 0) return undefined
    const dims = new BigInt64Array(rank)
    if (rank > 0) call.TF_GraphGetTensorShape(this.graph, output, dims, rank, status)
    this.tf.check()
    return Array.from(dims, Number)
  }

  /** Tells TensorFlow an output's shape. */
  setShape(output: TfOutput, shape: readonly number[]): void {
    this.tf.call.TF_GraphSetTensorShape(this.graph, output, BigInt64Array.from(shape, BigInt), shape.length, this.tf.status)
    this.tf.check()
  }

  dispose(): void {
    this.tf.call.TF_DeleteGraph(this.graph)
  }
}
