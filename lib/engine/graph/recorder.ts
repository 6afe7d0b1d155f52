/**
 * What a trace writes down: its steps, with their sizes, and the TensorFlow function that they make.
 */
import { at, messageOf } from '../../base/assertions'
import { TraceError } from '../../base/errors'
import { typeOf } from '../tensor/op'
import type { Variable } from '../tensor/tf'
import type { Pointer, TfOutput } from '../tensorflow/c-api'
import { opDefinition } from '../tensorflow/protos'
import type { Numbers } from '../tensorflow/types'
import type { FunctionGraph } from './function-graph'
import { Inference, type Operand } from './inference'
import { resultSizes } from './result-sizes'
import { isKnown, type Size, type Sizes, shapeName } from './sizes'
import { Difference, type OpStep, type Ref, type Step, type TraceNode, type UpdateStep } from './step'

/** They are stateful because processes meet in them; each run of a graph meets anew. */
const collectives: readonly string[] = ['CollectiveReduceV2', 'CollectiveAllToAllV2']

type Recorded = Omit<TraceNode, 'step' | 'site'> & { readonly handles: TfOutput[] }

/** Writes steps into a function. */
export class Recorder {
  readonly nodes: TraceNode[] = []
  /** Outputs in the graph; those of constants are made when they are used, those of updates when they are read. */
  private readonly handles: TfOutput[][] = []
  /** Whether a node's sizes, or the sizes that it holds, depend on data. */
  private readonly dependent: boolean[] = []
  private readonly used = new Set<number>()
  /** Updates that are not in the graph yet: it must be known what is read before. */
  private readonly pending: number[] = []
  /** The values that variables have in the graph, where they are not those that they begin with. */
  private readonly current = new Map<Variable, Ref>()
  private readonly inference: Inference

  constructor(
    private readonly graph: FunctionGraph,
    readonly sizes: Sizes,
  ) {
    this.inference = new Inference(sizes)
  }

  /** Writes down a step. */
  record(step: Step, site?: Error): void {
    const { handles, ...node } = this.recorded(step)
    this.dependent.push(step.kind === 'sizes' || node.dims.some((dims) => !dims.every(isKnown)))
    this.handles.push(handles)
    if (step.kind === 'update') this.pending.push(this.nodes.length)
    this.nodes.push({ step, ...node, ...(site && { site }) })
  }

  private recorded(step: Step): Recorded {
    switch (step.kind) {
      case 'argument':
        return { dtypes: [step.dtype], dims: [step.shape], handles: [this.graph.argument(step.dtype, step.shape)] }
      case 'op':
        return this.op(step)
      case 'variable':
        return { dtypes: [typeOf(step.variable)], dims: [step.variable.shape], handles: [] }
      case 'update':
        return { dtypes: step.variables.map(typeOf), dims: step.variables.map(({ shape }) => shape), handles: [] }
      default:
        return { dtypes: [step.dtype], dims: [step.shape], handles: [] }
    }
  }

  /** A constant of the first pass, in which numbers may be sizes. */
  constant(dtype: number, shape: readonly number[], values: Numbers): Step {
    const dims = shape.map((size) => this.sizes.of(size))
    if (!dims.every(isKnown) && values.every((number) => Object.is(number, values[0])))
      return { kind: 'fill', dtype, shape: dims, values: values.slice(0, 1) }
    if (shape.length === 0 ? dtype === 3 || dtype === 1 : shape.length === 1 && dtype === 3) {
      const entries = Array.from(values, (number) => this.sizes.of(number))
      if (!entries.every(isKnown)) return { kind: 'sizes', dtype, shape, entries }
    }
    return { kind: 'constant', dtype, shape, values }
  }

  private op({ op, attributes, inputs, outputs }: OpStep): Recorded {
    if (opDefinition(op)?.stateful && !collectives.includes(op)) {
      const reason = /Random|Multinomial/.test(op)
        ? 'draws from a hidden generator: use a RandomStream (ctx.streams)'
        : 'has effects outside the graph'
      throw new TraceError(`cannot trace ${op}: it ${reason}`)
    }
    try {
      const handles = this.graph.add(op, this.take(op, inputs), attributes).slice(0, Math.max(outputs, 0))
      const inferred = handles.map((handle) => {
        const shape = this.graph.shapeOf(handle)
        if (!shape) throw new Error('not even the number of dimensions of its result is known before it runs')
        return shape
      })
      const dependent = inputs.some(({ node }) => this.dependent[node]) || inferred.some((shape) => shape.includes(-1))
      const dims = dependent ? this.sizesOf({ op, attributes }, inputs, inferred) : inferred
      if (dependent) for (const [i, handle] of handles.entries()) this.graph.setShape(handle, at(dims, i), at(inferred, i))
      return { dtypes: handles.map(({ dtype }) => dtype), dims, handles }
    } catch (error) {
      if (error instanceof TraceError) throw error
      for (const ref of inputs) {
        const { step } = at(this.nodes, ref.node)
        const dims = step.kind === 'constant' ? step.shape.map((size) => this.sizes.of(size)) : []
        if (!dims.every(isKnown)) throw new Difference(`a constant of shape ${shapeName(dims)}`)
      }
      const shapes = inputs.map((ref) => shapeName(this.dims(ref)))
      // TensorFlow then names its own node, which the caller has never seen.
      const [reason] = messageOf(error).split(" for '{{node")
      throw new TraceError(`${op} of ${shapes.join(', ')}: ${reason}`)
    }
  }

  private dims({ node, output }: Ref): readonly Size[] {
    return at(at(this.nodes, node).dims, output)
  }

  private operand({ node, output }: Ref): Operand {
    const { step, dtypes, dims } = at(this.nodes, node)
    const isShort = step.kind === 'constant' && (step.dtype === 3 || step.dtype === 1) && step.values.byteLength <= 64
    const numbers = step.kind === 'sizes' ? step.entries : isShort ? Array.from(step.values) : undefined
    return { dtype: at(dtypes, output), dims: at(dims, output), numbers }
  }

  private sizesOf(step: Pick<OpStep, 'op' | 'attributes'>, inputs: readonly Ref[], inferred: readonly number[][]): Size[][] {
    const operands = inputs.map((ref) => this.operand(ref))
    return resultSizes(this.sizes, this.inference, step, operands, (input) => this.identity(at(inputs, input)), inferred)
  }

  /** Names a tensor; equal short constants have the same name. */
  private identity(ref: Ref): string {
    const { numbers, dtype, dims } = this.operand(ref)
    return numbers ? `${dtype}${shapeName(dims)}${shapeName(numbers)}` : `${ref.node}:${ref.output}`
  }

  /** An op's inputs in the graph. */
  private take(op: string, inputs: readonly Ref[]): TfOutput[] {
    return inputs.map((ref, i) => {
      this.used.add(ref.node)
      const { step } = at(this.nodes, ref.node)
      return step.kind === 'sizes' && op === 'Reshape' && i === 1 ? this.graph.newShape(step.entries) : this.handle(ref)
    })
  }

  private handle(ref: Ref): TfOutput {
    const handles = at(this.handles, ref.node)
    handles[ref.output] ??= this.make(ref)
    return at(handles, ref.output)
  }

  private make(ref: Ref): TfOutput {
    const { step } = at(this.nodes, ref.node)
    switch (step.kind) {
      case 'variable':
        return this.graph.read(step.variable)
      case 'sizes':
        return step.shape.length === 0 ? this.graph.size(at(step.entries, 0), step.dtype) : this.graph.sizes(step.entries)
      case 'fill':
        return this.graph.fill(step.shape, step.dtype, step.values)
      case 'constant':
        return this.graph.constant(step.dtype, step.shape, step.values)
      case 'update':
        return this.valueAfter(step, ref)
      default:
        throw new Error(`a step of kind ${step.kind} has no output ${ref.output}`)
    }
  }

  // --- Variables ---------------------------------------------------------------------------------------------------------------------

  /** The value that a variable has after an update. */
  private valueAfter({ variables }: UpdateStep, ref: Ref): TfOutput {
    this.update()
    const variable = at(variables, ref.output)
    if (!this.holds(variable, ref))
      throw new TraceError('cannot trace the use of a value that a variable had between two updates in place: use it before the second')
    return this.graph.readAgain(variable)
  }

  /** Whether a variable has a value in the graph already. */
  private holds(variable: Variable, { node, output }: Ref): boolean {
    const current = this.current.get(variable)
    if (current) return current.node === node && current.output === output
    const { step } = at(this.nodes, node)
    return step.kind === 'variable' && step.variable === variable
  }

  /** Puts the pending updates into the graph. */
  private update(): void {
    for (const node of this.pending.splice(0)) {
      const { step } = at(this.nodes, node)
      if (step.kind !== 'update') continue
      const { op, attributes, variables, inputs } = step
      const rest = inputs.slice(variables.length)
      const others = this.take(op, rest)
      const large = others.filter((_, i) => this.dims(at(rest, i)).length > 0).map(({ oper }) => oper)
      for (const [output, variable] of variables.entries()) {
        const before = at(inputs, output)
        if (!this.holds(variable, before)) this.graph.assign(variable, this.late(before, large))
        this.current.set(variable, { node, output })
      }
      this.graph.write(op, variables, others, attributes)
    }
  }

  /**
   * A value that an update is about to change, computed only when the update's other inputs are there: it is then still in the cache when
   * the update takes it.
   */
  private late(value: Ref, after: readonly Pointer[]): TfOutput {
    const { step } = at(this.nodes, value.node)
    if (step.kind !== 'op' || this.used.has(value.node)) return this.handle(value)
    return at(this.graph.add(step.op, this.take(step.op, step.inputs), step.attributes, after), value.output)
  }

  /**
   * Ends the function.
   * @param assignments what variables have at the end
   * @returns its name
   */
  finish(results: readonly Ref[], assignments: readonly { readonly variable: Variable; readonly value: Ref }[]): string {
    const outputs = results.map((ref) => this.handle(ref))
    const values = assignments.map(({ value }) => (this.nodes[value.node]?.step.kind === 'update' ? undefined : this.handle(value)))
    this.update()
    for (const [i, { variable, value }] of assignments.entries())
      if (!this.holds(variable, value)) this.graph.assign(variable, values[i] ?? this.handle(value))
    const args = this.nodes.flatMap(({ step }, node) => (step.kind === 'argument' ? [this.handle({ node, output: 0 })] : []))
    return this.graph.finish(args, outputs)
  }
}
