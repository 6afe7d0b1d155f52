/**
 * A resolved trace becomes a TensorFlow function. Variables become resources: each is read once, before anything writes to it. Whoever uses
 * what was read keeps it: a write puts a new buffer in its place. So writes wait for the read alone; waiting for its users too would
 * keep TensorFlow from fusing matmul, bias and ReLU, since it fuses nothing that others wait for.
 */
import { TraceError } from '../errors'
import type { OpAttribute } from '../tensor/op'
import { backend } from '../tensor/op'
import type { Variable } from '../tensor/tf'
import { GraphBuilder } from './builder'
import type { ResolvedNode, ResolvedTrace, SizeOf } from './resolve'
import type { GraphRuntime } from './runtime'
import { typeOf } from './runtime'
import { type Pointer, type TfOutput, tensorflow } from './tensorflow'
import type { Ref } from './trace'

/** A function that TensorFlow can run. */
export interface GraphFunction {
  readonly name: string
  readonly outputs: number
  /** The variables that it reads or writes. */
  readonly variables: readonly Variable[]
  /** Those that it writes. */
  readonly assigned: ReadonlySet<Variable>
  /** How many operations it has. */
  readonly operations: number
}

const type = (name: string, value: number): OpAttribute => ({ name, type: backend().binding.TF_ATTR_TYPE as number, value })
const integer = (name: string, value: number): OpAttribute => ({ name, type: backend().binding.TF_ATTR_INT as number, value })
const flag = (name: string, value: boolean): OpAttribute => ({ name, type: backend().binding.TF_ATTR_BOOL as number, value })

class Lowering {
  private readonly builder = new GraphBuilder()
  private readonly built = new Map<number, readonly TfOutput[]>()
  private readonly handles = new Map<Variable, TfOutput>()
  private readonly readOf = new Map<Variable, TfOutput>()
  private readonly effects: Pointer[] = []
  private readonly sizes = new Map<string, TfOutput>()
  /** What an AdamW update makes of its variables. */
  private readonly updated = new Map<number, { variables: Variable[]; apply: Pointer }>()
  operations = 0

  constructor(
    private readonly trace: ResolvedTrace,
    private readonly runtime: GraphRuntime,
  ) {}

  get variables(): Variable[] {
    return [...this.handles.keys()]
  }

  private add(op: string, inputs: readonly TfOutput[], attributes: readonly OpAttribute[] = [], control: readonly Pointer[] = []): Pointer {
    this.operations++
    return this.builder.add(op, inputs, attributes, { control }).pointer
  }

  private one(
    op: string,
    inputs: readonly TfOutput[],
    attributes: readonly OpAttribute[] = [],
    control: readonly Pointer[] = [],
  ): TfOutput {
    return { oper: this.add(op, inputs, attributes, control), index: 0 }
  }

  private integers(values: readonly number[], scalar = false): TfOutput {
    return this.builder.constant({ dtype: 3, shape: scalar ? [] : [values.length], values: Int32Array.from(values) })
  }

  private handle(variable: Variable): TfOutput {
    const known = this.handles.get(variable)
    if (known) return known
    const strings = backend().binding.TF_ATTR_STRING as number
    const handle = this.one(
      'VarHandleOp',
      [],
      [
        type('dtype', typeOf(variable)),
        { name: 'shape', type: backend().binding.TF_ATTR_SHAPE as number, value: variable.shape },
        { name: 'shared_name', type: strings, value: this.runtime.use(variable) },
        { name: 'container', type: strings, value: '' },
      ],
    )
    this.handles.set(variable, handle)
    return handle
  }

  private read(variable: Variable): TfOutput {
    const known = this.readOf.get(variable)
    if (known) return known
    const value = this.one('ReadVariableOp', [this.handle(variable)], [type('dtype', typeOf(variable))])
    this.readOf.set(variable, value)
    return value
  }

  /** What a write to a variable waits for. */
  private waitFor(variable: Variable): Pointer[] {
    const read = this.readOf.get(variable)
    return read ? [read.oper] : []
  }

  private size({ of, axis }: SizeOf): TfOutput {
    const key = `${of.node}:${of.output}:${axis}`
    const known = this.sizes.get(key)
    if (known) return known
    const shape = this.one('Shape', [this.output(of)], [type('out_type', 3)])
    const one = this.one('GatherV2', [shape, this.integers([axis], true), this.integers([0], true)])
    this.sizes.set(key, one)
    return one
  }

  private vector(entries: readonly (number | SizeOf)[]): TfOutput {
    const parts = entries.map((entry) => (typeof entry === 'number' ? this.integers([entry], true) : this.size(entry)))
    return this.one('Pack', parts, [integer('N', parts.length)])
  }

  output({ node, output }: Ref): TfOutput {
    const source = this.trace.nodes[node] as ResolvedNode
    if (source.kind === 'variable') return this.read(source.variable)
    return (this.built.get(node) as readonly TfOutput[])[output] as TfOutput
  }

  /** Adds a node; its inputs are there already. */
  build(at: number, consumers: readonly number[]): void {
    const node = this.trace.nodes[at] as ResolvedNode
    this.built.set(at, this.lowered(node, at, consumers))
  }

  private lowered(node: ResolvedNode, at: number, consumers: readonly number[]): readonly TfOutput[] {
    switch (node.kind) {
      case 'argument': // made beforehand
      case 'variable': // read by whoever wants its value
        return []
      case 'constant':
        return [this.builder.constant({ dtype: node.dtypes[0] as number, shape: node.shapes[0] as number[], values: node.values })]
      case 'sizes': {
        // The new shape of a Reshape may leave one size open, which is cheaper than computing it.
        const open = node.entries.filter((entry) => typeof entry !== 'number').length
        const reshapes = consumers.every((consumer) => {
          const user = this.trace.nodes[consumer] as ResolvedNode
          return user.kind === 'op' && user.op === 'Reshape' && user.inputs[0]?.node !== at
        })
        if (open === 1 && reshapes && !node.scalar)
          return [this.integers(node.entries.map((entry) => (typeof entry === 'number' ? entry : -1)))]
        const whole = node.scalar ? this.size(node.entries[0] as SizeOf) : this.vector(node.entries)
        return [node.dtype === 3 ? whole : this.one('Cast', [whole], [type('DstT', node.dtype)])]
      }
      case 'fill': {
        const value = this.builder.constant({ dtype: node.dtype, shape: [], values: node.value })
        return [this.one('Fill', [this.vector(node.dims), value])]
      }
      case 'op': {
        const oper = this.add(
          node.op,
          node.inputs.map((input) => this.output(input)),
          node.attributes,
        )
        return node.dtypes.map((_, index) => ({ oper, index }))
      }
      case 'adam':
        return this.adam(node.inputs, at)
    }
  }

  /** AdamW in place, on the resources themselves. Its results are read only if somebody wants them. */
  private adam(inputs: readonly Ref[], at: number): readonly TfOutput[] {
    const variables = inputs.slice(0, 3).map(({ node }) => {
      const source = this.trace.nodes[node] as ResolvedNode
      if (source.kind !== 'variable') throw new TraceError('cannot trace applyAdam: the parameter and its moments must be variables')
      return source.variable
    })
    const [parameter, m, v] = variables as [Variable, Variable, Variable]
    const keep = this.output(inputs[10] as Ref)
    const gradient = this.output(inputs[9] as Ref)
    // Not before the gradient is there: the decayed weight is then still in the cache when Adam takes it.
    const decayed = this.one('Mul', [this.read(parameter), keep], [], [gradient.oper])
    const handle = this.handle(parameter)
    const decay = this.add('AssignVariableOp', [handle, decayed], [type('dtype', 1)], this.waitFor(parameter))
    const scalars = inputs.slice(3, 10).map((input) => this.output(input))
    const attributes = [flag('use_locking', false), flag('use_nesterov', false)]
    const apply = this.add('ResourceApplyAdam', [handle, this.handle(m), this.handle(v), ...scalars], attributes, [decay])
    this.updated.set(at, { variables, apply })
    this.effects.push(apply)
    return []
  }

  /** Writes an assigned value to its variable. */
  assign(variable: Variable, value: Ref): void {
    const update = this.updated.get(value.node)
    if (update) {
      if (update.variables[value.output] !== variable)
        throw new TraceError('cannot trace applyAdam: its results must go back to the same variables')
      return
    }
    const oper = this.add(
      'AssignVariableOp',
      [this.handle(variable), this.output(value)],
      [type('dtype', typeOf(variable))],
      this.waitFor(variable),
    )
    this.effects.push(oper)
  }

  /** Registers the function with the context. */
  finish(argumentNodes: readonly number[], outputs: readonly Ref[]): string {
    const { call, status, check } = tensorflow()
    const pack = (list: readonly TfOutput[]): BigInt64Array =>
      BigInt64Array.from(list.flatMap(({ oper, index }) => [BigInt(oper), BigInt(index)]))
    const inputs = pack(argumentNodes.map((node) => this.output({ node, output: 0 })))
    // A result may be an argument or a variable's value: an Identity makes it the function's own.
    const results = pack(outputs.map((ref) => this.one('Identity', [this.output(ref)])))
    const control = BigInt64Array.from(this.effects, BigInt)
    const name = this.runtime.newName('function')
    const fn = call.TF_GraphToFunctionWithControlOutputs(
      ...[this.builder.graph, name, 0, -1, null, argumentNodes.length, inputs, outputs.length, results, null],
      ...[control.length, control, null, 0, name, status],
    ) as Pointer
    check()
    call.TFE_ContextAddFunction(this.runtime.context, fn, status)
    check()
    call.TF_DeleteFunction(fn)
    return name
  }

  argument(at: number, dtype: number, shape: readonly number[]): void {
    this.built.set(at, [this.builder.placeholder(dtype, shape)])
  }

  dispose(): void {
    this.builder.dispose()
  }
}

/** Which nodes are needed for the results and the assignments, and by whom. */
function consumersOf(trace: ResolvedTrace): Map<number, number[]> {
  const consumers = new Map<number, number[]>()
  const wanted = [...trace.outputs, ...trace.assignments.map(({ value }) => value)].map(({ node }) => node)
  while (wanted.length > 0) {
    const at = wanted.pop() as number
    if (consumers.has(at)) continue
    consumers.set(at, [])
    wanted.push(...inputsOf(trace.nodes[at] as ResolvedNode))
  }
  for (const at of consumers.keys()) for (const input of inputsOf(trace.nodes[at] as ResolvedNode)) consumers.get(input)?.push(at)
  return consumers
}

function inputsOf(node: ResolvedNode): number[] {
  const refs = (entries: readonly (number | SizeOf)[]): number[] =>
    entries.flatMap((entry) => (typeof entry === 'number' ? [] : [entry.of.node]))
  switch (node.kind) {
    case 'op':
    case 'adam':
      return node.inputs.map((input) => input.node)
    case 'sizes':
      return refs(node.entries)
    case 'fill':
      return refs(node.dims)
    default:
      return []
  }
}

/** Makes a TensorFlow function of a resolved trace, in the given context. */
export function lower(trace: ResolvedTrace, runtime: GraphRuntime): GraphFunction {
  const lowering = new Lowering(trace, runtime)
  try {
    const argumentNodes = trace.nodes.flatMap((node, at) => (node.kind === 'argument' ? [at] : []))
    for (const at of argumentNodes) {
      const node = trace.nodes[at] as ResolvedNode & { kind: 'argument' }
      lowering.argument(at, node.dtypes[0] as number, node.shapes[0] as number[])
    }
    const consumers = consumersOf(trace)
    // Updates come last, when it is known which variables are read.
    const order = [...consumers.keys()].filter((at) => trace.nodes[at]?.kind !== 'argument').sort((a, b) => a - b)
    const isAdam = (at: number): boolean => trace.nodes[at]?.kind === 'adam'
    for (const at of order.filter((at) => !isAdam(at))) lowering.build(at, consumers.get(at) as number[])
    for (const at of order.filter(isAdam)) lowering.build(at, [])
    for (const { variable, value } of trace.assignments) lowering.assign(variable, value)
    const name = lowering.finish(argumentNodes, trace.outputs)
    const assigned = new Set(trace.assignments.map(({ variable }) => variable))
    return { name, outputs: trace.outputs.length, variables: lowering.variables, assigned, operations: lowering.operations }
  } catch (error) {
    for (const variable of lowering.variables) runtime.release(variable)
    throw error
  } finally {
    lowering.dispose()
  }
}
