/**
 * Any TensorFlow op, by name. tfjs-node's addon runs ops on numbered tensors; tfjs wraps the numbers in `Tensor`s. `op` gives one op as
 * plain tensors; `composite` chains several ops whose intermediate types tfjs cannot hold (int16, resources).
 * Ops called this way are off the gradient tape: wrap them in `tf.customGrad`.
 */
import { type Tensor, tf } from './runtime'

/** The output of an op as the addon reports it: a tensor number, its shape, its TensorFlow data type. */
export interface TensorMetadata {
  readonly id: number
  readonly shape: number[]
  readonly dtype: number
}

/** An attribute of an op in the addon's form. */
export interface OpAttribute {
  readonly name: string
  readonly type: number
  readonly value: unknown
}

/** What tfjs needs of TensorFlow: the addon runs ops at once; the tracer (graph/) takes its place and writes them down. */
export interface Binding {
  createTensor(shape: number[], dtype: number | string, values: ArrayLike<number>): number
  deleteTensor(id: number): void
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputs: number): TensorMetadata[]
  /** Only the tracer has it: AdamW as one op on the variables themselves (see adam.ts). */
  applyAdam?(inputs: readonly number[]): TensorMetadata[]
}

/** tfjs's bookkeeping for a tensor's data. `values` waits to be handed over; then `id` counts. */
export interface TensorData {
  shape: number[]
  dtype: number
  /** null or undefined once they were handed over. */
  values: ArrayLike<number> | null
  readonly id: number
  refCount: number
}

/** The part of tfjs-node's backend that we rely on. */
export interface NodeBackend {
  binding: Binding & Readonly<Record<`TF_${string}`, number>>
  readonly isUsingGpuDevice: boolean
  readonly tensorMap: { get(dataId: object): TensorData; set(dataId: object, data: TensorData): void; has(dataId: object): boolean }
  getInputTensorIds(tensors: readonly Tensor[]): number[]
  createOutputTensor(metadata: TensorMetadata): Tensor
}

/** tfjs-node's backend. */
export const backend = (): NodeBackend => tf.backend() as unknown as NodeBackend

/** Attribute values: numbers are ints, `{ float }`, `{ type }`, `{ shape }`, booleans and strings are themselves. */
export type AttributeValue = number | boolean | string | { float: number } | { type: string } | { shape: number[] }

function attribute(name: string, value: AttributeValue): OpAttribute {
  const types = backend().binding
  if (typeof value === 'number') return { name, type: types.TF_ATTR_INT as number, value }
  if (typeof value === 'boolean') return { name, type: types.TF_ATTR_BOOL as number, value }
  if (typeof value === 'string') return { name, type: types.TF_ATTR_STRING as number, value }
  if ('float' in value) return { name, type: types.TF_ATTR_FLOAT as number, value: value.float }
  if ('shape' in value) return { name, type: types.TF_ATTR_SHAPE as number, value: value.shape }
  return { name, type: types.TF_ATTR_TYPE as number, value: typeNumbers[value.type] }
}

/** TensorFlow's numbers for data types (types.proto). */
export const typeNumbers: Readonly<Record<string, number>> = { float32: 1, int32: 3, int16: 5, int64: 9, bool: 10, resource: 20 }

const attributesOf = (attributes: Readonly<Record<string, AttributeValue>>): OpAttribute[] =>
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

/** Runs one TensorFlow op with one output. */
export function op(name: string, inputs: readonly Tensor[], attributes: Readonly<Record<string, AttributeValue>> = {}): Tensor {
  return multiOp(name, inputs, 1, attributes)[0] as Tensor
}

/** Runs an op on tensor numbers; see `composite`. */
export type RunOp = (
  name: string,
  inputs: readonly number[],
  attributes?: Readonly<Record<string, AttributeValue>>,
  outputs?: number,
) => number[]

/**
 * Chains ops on tensor numbers, so that intermediate results may have types that tfjs has no name for; they are freed at the end.
 * @param body receives the inputs' numbers and a function that runs an op; returns the numbers of the results
 */
export function composite(inputs: readonly Tensor[], body: (inputs: number[], run: RunOp) => number[]): Tensor[] {
  const node = backend()
  const made = new Map<number, TensorMetadata>()
  const run: RunOp = (name, ids, attributes = {}, outputs = 1) => {
    const results = node.binding.executeOp(name, attributesOf(attributes), [...ids], outputs)
    for (const result of results) made.set(result.id, result)
    return results.map((result) => result.id)
  }
  const results = body(node.getInputTensorIds(inputs), run)
  for (const id of made.keys()) if (!results.includes(id)) node.binding.deleteTensor(id)
  return results.map((id) => node.createOutputTensor(made.get(id) as TensorMetadata))
}
