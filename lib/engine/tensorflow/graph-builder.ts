/**
 * A TF_Graph under construction: operations are added one by one, and TensorFlow checks and infers their shapes as they come.
 */
import { at } from '../../base/assertions'
import { type Pointer, type TfOutput, tensorflow } from './c-api'
import { tensorflowContext } from './context'
import { opDefinition } from './protos'
import { newNumbers } from './tensors'
import { attributeType, type OpAttribute } from './types'

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
    const description = call.TF_NewOperation(this.graph, op, name)
    this.addInputs(op, description, inputs, attributes)
    for (const operation of control) call.TF_AddControlInput(description, operation)
    for (const attribute of attributes) this.setAttribute(description, attribute)
    for (const [key, { dtype, shape, values }] of Object.entries(tensors)) {
      const tensor = newNumbers(dtype, shape, values)
      call.TF_SetAttrType(description, 'dtype', dtype)
      call.TF_SetAttrTensor(description, key, tensor, status)
      call.TF_DeleteTensor(tensor)
      this.tf.check()
    }
    const pointer = call.TF_FinishOperation(description, status)
    this.tf.check()
    return { pointer, name }
  }

  /** A constant. */
  constant(value: TensorValue): TfOutput {
    return { oper: this.add('Const', [], [], { tensors: { value } }).pointer, index: 0 }
  }

  /** An argument of a function; shape -1: unknown. */
  placeholder(dtype: number, shape: readonly number[]): TfOutput {
    const attributes = [
      { name: 'dtype', type: attributeType.type, value: dtype },
      { name: 'shape', type: attributeType.shape, value: shape },
    ]
    return { oper: this.add('Placeholder', [], attributes).pointer, index: 0 }
  }

  private addInputs(op: string, description: Pointer, inputs: readonly TfOutput[], attributes: readonly OpAttribute[]): void {
    const { call } = this.tf
    const definition = opDefinition(op)
    if (!definition) throw new Error(`TensorFlow has no op ${op}`)
    let next = 0
    for (const { numberAttr } of definition.inputs) {
      if (numberAttr === '') {
        const input = inputs[next++]
        if (input) call.TF_AddInput(description, input)
        continue
      }
      // All lists of an op have the same length; if the attribute was left out, it is the inputs' share.
      const given = attributes.find(({ name }) => name === numberAttr)?.value
      const lists = definition.inputs.filter((input) => input.numberAttr === numberAttr).length
      const length = typeof given === 'number' ? given : (inputs.length - (definition.inputs.length - lists)) / lists
      const packed = new BigInt64Array(2 * length)
      for (let i = 0; i < length; i++) {
        const { oper, index } = at(inputs, next++)
        packed[2 * i] = BigInt(oper)
        packed[2 * i + 1] = BigInt(index)
      }
      call.TF_AddInputList(description, packed, length)
    }
  }

  private setAttribute(description: Pointer, { name, type, value }: OpAttribute): void {
    if (value === undefined || value === null) return
    const { call } = this.tf
    if (Array.isArray(value)) {
      if (type === attributeType.shape) call.TF_SetAttrShape(description, name, BigInt64Array.from(value, BigInt), value.length)
      else if (type === attributeType.int) call.TF_SetAttrIntList(description, name, BigInt64Array.from(value, BigInt), value.length)
      else if (type === attributeType.float) call.TF_SetAttrFloatList(description, name, Float32Array.from(value), value.length)
      else if (type === attributeType.type) call.TF_SetAttrTypeList(description, name, Int32Array.from(value), value.length)
      else throw new Error(`the list attribute ${name} has a type that graphs cannot take yet`)
    } else if (type === attributeType.string) {
      const text = String(value)
      call.TF_SetAttrString(description, name, text, Buffer.byteLength(text))
    } else if (type === attributeType.bool) call.TF_SetAttrBool(description, name, value ? 1 : 0)
    else if (typeof value !== 'number') throw new Error(`the attribute ${name} has a value that is no number`)
    else if (type === attributeType.int) call.TF_SetAttrInt(description, name, value)
    else if (type === attributeType.float) call.TF_SetAttrFloat(description, name, value)
    else if (type === attributeType.type) call.TF_SetAttrType(description, name, value)
    else throw new Error(`the attribute ${name} has a type that graphs cannot take`)
  }

  /** The data types of an operation's outputs. */
  outputTypes(operation: Pointer): number[] {
    const { call } = this.tf
    const count = call.TF_OperationNumOutputs(operation)
    return Array.from({ length: count }, (_, index) => call.TF_OperationOutputType({ oper: operation, index }))
  }

  /** The inferred shape of an output, -1 where it is unknown; undefined if not even the rank is known. */
  shape(output: TfOutput): number[] | undefined {
    const { call, status } = this.tf
    const rank = call.TF_GraphGetTensorNumDims(this.graph, output, status)
    this.tf.check()
    if (rank < 0) return undefined
    const dims = new BigInt64Array(rank)
    if (rank > 0) call.TF_GraphGetTensorShape(this.graph, output, dims, rank, status)
    this.tf.check()
    return Array.from(dims, Number)
  }

  /** Gives TensorFlow an output's shape. */
  setShape(output: TfOutput, shape: readonly number[]): void {
    this.tf.call.TF_GraphSetTensorShape(this.graph, output, BigInt64Array.from(shape, BigInt), shape.length, this.tf.status)
    this.tf.check()
  }

  /**
   * Makes the graph a function of the context.
   * @param effects operations that run although no output needs them
   * @returns its name
   */
  define(inputs: readonly TfOutput[], outputs: readonly TfOutput[], effects: readonly Pointer[]): string {
    const { call, status, check } = this.tf
    const pack = (list: readonly TfOutput[]): BigInt64Array =>
      BigInt64Array.from(list.flatMap(({ oper, index }) => [BigInt(oper), BigInt(index)]))
    const context = tensorflowContext()
    const name = context.newName('function')
    const body = [this.graph, name, 0, -1, null] as const // all operations of the graph
    const signature = [inputs.length, pack(inputs), outputs.length, pack(outputs), null] as const
    const control = [effects.length, BigInt64Array.from(effects, BigInt), null] as const
    const tfFunction = call.TF_GraphToFunctionWithControlOutputs(...body, ...signature, ...control, 0, name, status)
    check()
    call.TFE_ContextAddFunction(context.pointer, tfFunction, status)
    call.TF_DeleteFunction(tfFunction)
    check()
    return name
  }

  dispose(): void {
    this.tf.call.TF_DeleteGraph(this.graph)
  }
}
