/**
 * Any TensorFlow op, by name. The binding runs ops on numbered tensors; tfjs wraps the numbers in `Tensor`s. `op` gives one op as
 * plain tensors; `composite` chains several ops whose intermediate types tfjs cannot hold (int16, resources).
 * Ops called this way are off the gradient tape: wrap them in `tf.customGrad`.
 */
import { at, valueAt } from '../../base/assertions'
import type { Binding, TensorMetadata } from '../tensorflow/binding'
import { attributeType, dataType, type OpAttribute } from '../tensorflow/types'
import { backend, type NodeBackend, type Tensor } from './runtime'

export { type Binding, backend, type NodeBackend, type OpAttribute, type TensorMetadata }

/** Attribute values: numbers are ints, `{ float }`, `{ type }`, `{ shape }`, booleans and strings are themselves. */
export type AttributeValue = number | boolean | string | { float: number } | { type: string } | { shape: number[] }

function attribute(name: string, value: AttributeValue): OpAttribute {
  if (typeof value === 'number') return { name, type: attributeType.int, value }
  if (typeof value === 'boolean') return { name, type: attributeType.bool, value }
  if (typeof value === 'string') return { name, type: attributeType.string, value }
  if ('float' in value) return { name, type: attributeType.float, value: value.float }
  if ('shape' in value) return { name, type: attributeType.shape, value: value.shape }
  const type = Object.entries(dataType).find(([known]) => known === value.type)?.[1]
  if (type === undefined) throw new TypeError(`the attribute ${name}: got the type ${value.type}, expected one of ${Object.keys(dataType)}`)
  return { name, type: attributeType.type, value: type }
}

/** TensorFlow's number for a tensor's type. */
export const typeOf = (tensor: Tensor): number => dataType[tensor.dtype]

/** Attributes in the binding's form. */
export const attributesOf = (attributes: Readonly<Record<string, AttributeValue>>): OpAttribute[] =>
  Object.entries(attributes).map(([name, value]) => attribute(name, value))

/**
 * Runs one TensorFlow op with several outputs.
 * @param attributes those that TensorFlow cannot infer from the inputs
 */
export function multiOp(
  name: string,
  inputs: readonly Tensor[],
  outputs: number,
  attributes: Readonly<Record<string, AttributeValue>> = {},
): Tensor[] {
  const node = backend()
  return node.binding
    .executeOp(name, attributesOf(attributes), node.getInputTensorIds(inputs), outputs)
    .map((metadata) => node.createOutputTensor(metadata))
}

/**
 * Runs one TensorFlow op with one output.
 * @param attributes those that TensorFlow cannot infer from the inputs
 * @throws TensorError if an input was disposed of; TensorFlow's own error if shapes or types do not fit the op
 */
export function op(name: string, inputs: readonly Tensor[], attributes: Readonly<Record<string, AttributeValue>> = {}): Tensor {
  return at(multiOp(name, inputs, 1, attributes), 0)
}

/** Runs an op with one output on tensor numbers; see `composite`. */
export type RunOp = (name: string, inputs: readonly number[], attributes: Readonly<Record<string, AttributeValue>>) => number

/**
 * Chains ops on tensor numbers, so that intermediate results may have types that tfjs has no name for; they are freed at the end.
 * @param body receives the inputs' numbers and a function that runs an op; returns the number of the result
 */
export function composite<const Inputs extends readonly Tensor[]>(
  inputs: Inputs,
  body: (inputs: { [I in keyof Inputs]: number }, run: RunOp) => number,
): Tensor {
  const node = backend()
  const outputs = new Map<number, TensorMetadata>()
  const run: RunOp = (name, ids, attributes) => {
    const result = at(node.binding.executeOp(name, attributesOf(attributes), [...ids], 1), 0)
    outputs.set(result.id, result)
    return result.id
  }
  const result = body(node.getInputTensorIds(inputs) as { [I in keyof Inputs]: number }, run)
  for (const id of outputs.keys()) if (id !== result) node.binding.deleteTensor(id)
  return node.createOutputTensor(valueAt(outputs, result))
}
