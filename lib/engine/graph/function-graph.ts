/**
 * The TensorFlow function that a trace becomes, written step by step as it is traced. In it, a size that depends on data is taken from a tensor
 * that has it, when the function runs.
 *
 * Variables are resources. Each is read once, before anything writes to it. Whoever uses what was read keeps it: a write puts a new buffer
 * in its place. So writes wait for the read alone, not for its users.
 */
import { TraceError } from '../../base/errors'
import { typeOf } from '../tensor/op'
import type { Variable } from '../tensor/tf'
import { type Resource, useVariable } from '../tensor/variables'
import type { Pointer, TfOutput } from '../tensorflow/c-api'
import { GraphBuilder } from '../tensorflow/graph-builder'
import { attributeType, type OpAttribute } from '../tensorflow/types'
import { type DataSize, isKnown, type Size } from './sizes'

const type = (name: string, value: number): OpAttribute => ({ name, type: attributeType.type, value })

/** An output of an operation in the graph, with its data type. */
export interface Output extends TfOutput {
  readonly dtype: number
}

/** A function under construction. */
export class FunctionGraph {
  /** How many operations it has. */
  operations = 0
  private readonly builder = new GraphBuilder()
  private readonly handles = new Map<Variable, TfOutput>()
  /** Of its variables; whoever frees the function releases them. */
  readonly resources: Resource[] = []
  private readonly reads = new Map<Variable, TfOutput>()
  /** What the next write to a variable waits for. */
  private readonly before = new Map<Variable, Pointer[]>()
  private readonly written = new Set<Variable>()
  private readonly effects: Pointer[] = []
  private readonly constants = new Map<string, TfOutput>()
  /** A tensor that has a size, and at which axis. */
  private readonly sources = new Map<DataSize, readonly [TfOutput, number]>()
  private readonly measured = new Map<DataSize, TfOutput>()

  /** The variables that it reads or writes. */
  get variables(): Variable[] {
    return [...this.handles.keys()]
  }

  /**
   * Adds an operation.
   * @returns its outputs
   * @throws Error with TensorFlow's message if the op does not take these inputs and attributes
   */
  add(op: string, inputs: readonly TfOutput[], attributes: readonly OpAttribute[], control: readonly Pointer[] = []): Output[] {
    const { oper } = this.one(op, inputs, attributes, control)
    return this.builder.outputTypes(oper).map((dtype, index) => ({ oper, index, dtype }))
  }

  private one(
    op: string,
    inputs: readonly TfOutput[],
    attributes: readonly OpAttribute[] = [],
    control: readonly Pointer[] = [],
  ): TfOutput {
    this.operations++
    return { oper: this.builder.add(op, inputs, attributes, { control }).pointer, index: 0 }
  }

  /** An output's shape as far as TensorFlow knows it: -1 for sizes that depend on data. */
  shapeOf(output: TfOutput): number[] | undefined {
    return this.builder.shape(output)
  }

  /** Notes what the tracer knows of an output's shape. */
  setShape(output: TfOutput, dims: readonly Size[], inferred: readonly number[]): void {
    for (const [axis, size] of dims.entries()) if (!isKnown(size) && !this.sources.has(size)) this.sources.set(size, [output, axis])
    if (dims.some((size, axis) => isKnown(size) && inferred[axis] === -1))
      this.builder.setShape(
        output,
        dims.map((size) => (isKnown(size) ? size : -1)),
      )
  }

  argument(dtype: number, shape: readonly number[]): TfOutput {
    return this.builder.placeholder(dtype, shape)
  }

  /** A constant; small ones that are equal are one. */
  constant(dtype: number, shape: readonly number[], values: ArrayBufferView): TfOutput {
    const make = (): TfOutput => {
      this.operations++
      return this.builder.constant({ dtype, shape, values })
    }
    if (values.byteLength > 64) return make()
    const key = `${dtype}[${shape}]${new Uint8Array(values.buffer, values.byteOffset, values.byteLength)}`
    const known = this.constants.get(key) ?? make()
    this.constants.set(key, known)
    return known
  }

  private integers(values: readonly number[], shape: readonly number[] = [values.length]): TfOutput {
    return this.constant(3, shape, Int32Array.from(values))
  }

  /** A size as an int32 scalar. */
  private measure(size: Size): TfOutput {
    if (isKnown(size)) return this.integers([size], [])
    const known = this.measured.get(size)
    if (known) return known
    const source = this.sources.get(size)
    const measured = source ? this.sizeOf(...source) : this.evaluate(size)
    this.measured.set(size, measured)
    return measured
  }

  private sizeOf(tensor: TfOutput, axis: number): TfOutput {
    const shape = this.one('Shape', [tensor], [type('out_type', 3)])
    return this.one('GatherV2', [shape, this.integers([axis], []), this.integers([0], [])])
  }

  /** A form that is no tensor's size. */
  private evaluate({ terms, constant }: DataSize): TfOutput {
    const parts = [...terms].map(([unknown, coefficient]) => {
      const value = this.measure(unknown.size as DataSize)
      return coefficient === 1 ? value : this.one('Mul', [value, this.integers([coefficient], [])])
    })
    if (constant !== 0) parts.push(this.integers([constant], []))
    return parts.reduce((sum, part) => this.one('AddV2', [sum, part]))
  }

  /** Sizes as an int32 vector. */
  sizes(entries: readonly Size[]): TfOutput {
    if (entries.every(isKnown)) return this.integers(entries)
    const count = { name: 'N', type: attributeType.int, value: entries.length }
    return this.one(
      'Pack',
      entries.map((entry) => this.measure(entry)),
      [count],
    )
  }

  /** A size as a scalar. */
  size(entry: Size, dtype: number): TfOutput {
    return dtype === 3 ? this.measure(entry) : this.one('Cast', [this.measure(entry)], [type('DstT', dtype)])
  }

  /** The new shape of a Reshape: it may leave one size open, which is cheaper than computing it. */
  newShape(entries: readonly Size[]): TfOutput {
    if (entries.filter((entry) => !isKnown(entry)).length > 1) return this.sizes(entries)
    return this.integers(entries.map((entry) => (isKnown(entry) ? entry : -1)))
  }

  /** One number in all places. */
  fill(dims: readonly Size[], dtype: number, value: ArrayBufferView): TfOutput {
    return this.one('Fill', [this.sizes(dims), this.constant(dtype, [], value)])
  }

  // --- Variables ---------------------------------------------------------------------------------------------------------------------

  private handle(variable: Variable): TfOutput {
    const known = this.handles.get(variable)
    if (known) return known
    const resource = useVariable(variable)
    this.resources.push(resource)
    const handle = this.one(
      'VarHandleOp',
      [],
      [
        type('dtype', typeOf(variable)),
        { name: 'shape', type: attributeType.shape, value: variable.shape },
        { name: 'shared_name', type: attributeType.string, value: resource.name },
        { name: 'container', type: attributeType.string, value: '' },
      ],
    )
    this.handles.set(variable, handle)
    return handle
  }

  /** A variable's value when the function begins. */
  read(variable: Variable): TfOutput {
    const known = this.reads.get(variable)
    if (known) return known
    if (this.written.has(variable))
      throw new TraceError('cannot trace the use of a value that a variable had before an update in place: use it before the update')
    const value = this.readAgain(variable)
    this.reads.set(variable, value)
    return value
  }

  /** A variable's value after the writes so far. */
  readAgain(variable: Variable): TfOutput {
    const { before } = this
    const value = this.one('ReadVariableOp', [this.handle(variable)], [type('dtype', typeOf(variable))], before.get(variable))
    before.set(variable, [...(before.get(variable) ?? []), value.oper])
    return value
  }

  /** An op that writes to variables, its first inputs; it comes after their reads and writes so far. */
  write(op: string, variables: readonly Variable[], inputs: readonly TfOutput[], attributes: readonly OpAttribute[]): void {
    const handles = variables.map((variable) => this.handle(variable))
    const control = [...new Set(variables.flatMap((variable) => this.before.get(variable) ?? []))]
    const { oper } = this.one(op, [...handles, ...inputs], attributes, control)
    for (const variable of variables) {
      this.before.set(variable, [oper])
      this.written.add(variable)
    }
    this.effects.push(oper)
  }

  assign(variable: Variable, value: TfOutput): void {
    this.write('AssignVariableOp', [variable], [value], [type('dtype', typeOf(variable))])
  }

  /** Registers the function with the context. @returns its name */
  finish(inputs: readonly TfOutput[], outputs: readonly TfOutput[]): string {
    // A result may be an argument or a variable's value: an Identity makes it the function's own.
    return this.builder.define(
      inputs,
      outputs.map((output) => this.one('Identity', [output])),
      this.effects,
    )
  }

  dispose(): void {
    this.builder.dispose()
  }

  /** Gives up a function that was not finished. */
  abandon(): void {
    for (const resource of this.resources) resource.release()
  }
}
