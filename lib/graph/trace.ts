/**
 * Tracing: a function of tensors is run once on symbolic tensors, and every op that it would execute is written down.
 *
 * tfjs runs an op by handing tensor numbers to the addon; during a trace the tracer stands in the addon's place. Nothing is computed:
 * shapes come from TensorFlow's own inference, so reading a value back is impossible and refused. A size that depends on data (the rows of
 * an expert) gets a stand-in number, chosen differently in each of two traces; whatever differs between the two traces depended on data,
 * and resolve.ts either expresses it by the graph's own shapes or refuses it.
 */
import { TraceError } from '../errors'
import { type Binding, backend, type NodeBackend, type OpAttribute, type TensorMetadata } from '../tensor/op'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { GraphBuilder } from './builder'
import { siteOf } from './site'
import { bytesOfType, type TfOutput, tensorflow } from './tensorflow'

/** An output of a node. */
export interface Ref {
  readonly node: number
  readonly output: number
}

/** What a node is. */
export type NodeKind =
  | { readonly kind: 'op'; readonly op: string; readonly attributes: readonly OpAttribute[]; readonly inputs: readonly Ref[] }
  | { readonly kind: 'constant'; readonly values: ArrayBufferView }
  | { readonly kind: 'argument'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'adam'; readonly inputs: readonly Ref[] }

/** One step of a trace. */
export type TraceNode = NodeKind & {
  readonly dtypes: readonly number[]
  readonly shapes: readonly (readonly number[])[]
  /** Where it was called; the stack is formatted only if it is asked for. */
  readonly site: Error
}

/** A function written down. */
export interface Trace {
  readonly nodes: readonly TraceNode[]
  readonly outputs: readonly Ref[]
  /** Variables that the function assigned, and what. */
  readonly assignments: readonly { readonly variable: Variable; readonly value: Ref }[]
  readonly standIns: StandIns
}

/** Symbolic tensors are numbered above all real ones, and never twice. */
const firstSymbol = 2 ** 40
let nextSymbol = firstSymbol

/** Sizes that depend on data, by what they follow from, and the numbers that stand in for them in one trace. */
export type StandIns = ReadonlyMap<string, number>

/** A fixed sequence of numbers in [0, 1), for choosing stand-ins: the same for every trace (Numerical Recipes' congruential generator). */
function sequence(): () => number {
  let state = 20_170_123
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** `whole` as a sum of `parts` positive integers, or undefined if there are none. */
function composition(whole: number, parts: number, random: () => number): number[] | undefined {
  if (whole < parts) return undefined
  const cuts = new Set<number>([0, whole])
  while (cuts.size < parts + 1) cuts.add(1 + Math.floor(random() * (whole - 1)))
  const sorted = [...cuts].sort((a, b) => a - b)
  return sorted.slice(1).map((cut, i) => cut - (sorted[i] as number))
}

class Tracer {
  readonly nodes: TraceNode[] = []
  private readonly builder = new GraphBuilder()
  private readonly handles: TfOutput[][] = []
  private readonly refs = new Map<number, Ref>()
  private readonly captured = new Map<number, Ref>()
  readonly sizes = new Map<string, number>()
  /** Pairs of stand-ins (of the first trace and of this one) that are taken: each must tell which size it is. */
  private readonly pairs = new Set<string>()
  private readonly random = sequence()
  /** Constants by tfjs's data, which keeps its values: a trace changes nothing outside it. */
  private readonly constants = new Map<object, number>()

  constructor(
    private readonly real: NodeBackend['binding'],
    /** The stand-ins of the first trace, if this is the second. */
    private readonly first: StandIns | undefined,
  ) {}

  /** Numbers the outputs of a node. */
  private number(node: TraceNode, handles: TfOutput[]): TensorMetadata[] {
    const at = this.nodes.push(node) - 1
    this.handles.push(handles)
    return node.dtypes.map((dtype, output) => {
      const id = nextSymbol++
      this.refs.set(id, { node: at, output })
      return { id, shape: [...(node.shapes[output] as number[])], dtype }
    })
  }

  symbol(kind: NodeKind, dtype: number, shape: readonly number[]): TensorMetadata {
    const handle = this.builder.placeholder(dtype, shape)
    return this.number({ ...kind, dtypes: [dtype], shapes: [shape], site: new Error() }, [handle])[0] as TensorMetadata
  }

  constant(dtype: number, shape: readonly number[], values: ArrayBufferView): TensorMetadata {
    const handle = this.builder.constant({ dtype, shape, values })
    return this.number({ kind: 'constant', values, dtypes: [dtype], shapes: [shape], site: new Error() }, [handle])[0] as TensorMetadata
  }

  /** What a tensor number stands for; a tensor from outside the function is taken in as a constant. */
  ref(id: number): Ref {
    const known = this.refs.get(id) ?? this.captured.get(id)
    if (known) return known
    if (this.isSymbol(id))
      throw new TraceError('a tensor that was made inside an earlier trace has escaped from it: make it inside, or before')
    const values = this.real.tensorDataSync(id)
    // The addon tells values but not shapes; an Identity tells both.
    const [copy] = this.real.executeOp('Identity', [], [id], 1) as [TensorMetadata]
    this.real.deleteTensor(copy.id)
    const { id: symbol } = this.constant(copy.dtype, copy.shape, values.slice())
    const ref = this.refs.get(symbol) as Ref
    this.captured.set(id, ref)
    return ref
  }

  /** Known shapes of an operation's outputs, with stand-ins for what TensorFlow cannot know. */
  private shapesOf(op: string, inputs: readonly Ref[], handles: readonly TfOutput[]): number[][] {
    // A size follows from the inputs that are no floats: the same ones give the same size.
    const integers = inputs.filter(({ node, output }) => (this.nodes[node] as TraceNode).dtypes[output] !== 1)
    const key = integers.map((ref) => this.identity(ref)).join()
    return handles.map((handle, output) => {
      const shape = this.builder.shape(handle)
      if (!shape) throw new TraceError(`${op}: not even the number of dimensions of its result is known before it runs`)
      const known = shape.map((size, axis) => (size >= 0 ? size : this.standIn(`${op}/${key}/${axis}`, output, handles.length, op, inputs)))
      if (shape.some((size) => size < 0)) this.builder.setShape(handle, known)
      return known
    })
  }

  /** Names a tensor; equal small constants have the same name. */
  private identity({ node, output }: Ref): string {
    const source = this.nodes[node] as TraceNode
    if (source.kind !== 'constant' || source.values.byteLength > 256) return `${node}:${output}`
    return `constant ${source.dtypes} [${source.shapes}] ${Array.from(source.values as Int32Array)}`
  }

  /** The number that stands for a size: different from the first trace's, and telling it from every other size. */
  private standIn(key: string, output: number, outputs: number, op: string, inputs: readonly Ref[]): number {
    const name = (i: number): string => `${key}/${i}`
    const found = this.sizes.get(name(output))
    if (found !== undefined) return found
    const pair = (i: number, size: number): string => `${this.first?.get(name(i)) ?? 'new'},${size}`
    const isGood = (size: number, i: number): boolean => size !== this.first?.get(name(i)) && !(this.first && this.pairs.has(pair(i, size)))
    const take = (sizes: readonly number[], from: number): void => {
      for (const [i, size] of sizes.entries()) {
        this.pairs.add(pair(from + i, size))
        this.sizes.set(name(from + i), size)
      }
    }
    const { node, output: from } = inputs[0] ?? { node: 0, output: 0 }
    const divides = op === 'SplitV' || op === 'DynamicPartition'
    const whole = divides ? ((this.nodes[node] as TraceNode).shapes[from]?.[0] as number) : 0
    for (let attempt = 0; attempt < 200 && divides; attempt++) {
      // The pieces must add up to the whole.
      const pieces = composition(whole, outputs, this.random)
      if (!pieces?.every(isGood) || new Set(pieces.map((size, i) => pair(i, size))).size < outputs) continue
      take(pieces, 0)
      return pieces[output] as number
    }
    let size = 0
    do size = 20_000 + Math.floor(this.random() * 20_000)
    while (!isGood(size, output))
    take([size], output)
    return size
  }

  execute(op: string, attributes: OpAttribute[], ids: number[], outputs: number): TensorMetadata[] {
    const site = new Error()
    if (tensorflow().ops.get(op)?.stateful) {
      const reason = /Random|Multinomial/.test(op)
        ? 'draws from a hidden generator: use a RandomStream (ctx.streams)'
        : 'has effects outside the graph'
      throw new TraceError(`cannot trace ${op}: it ${reason}`)
    }
    const inputs = ids.map((id) => this.ref(id))
    const flat = inputs.map(({ node, output }) => (this.handles[node] as TfOutput[])[output] as TfOutput)
    let oper: number
    try {
      oper = this.builder.add(op, flat, attributes).pointer
    } catch (error) {
      const shapes = inputs.map(({ node, output }) => `[${(this.nodes[node] as TraceNode).shapes[output]?.join(', ')}]`)
      // TensorFlow goes on to name its own node, which the caller has never seen.
      const [reason] = (error as Error).message.split(" for '{{node")
      throw new TraceError(`${op} of ${shapes.join(', ')}: ${reason}`)
    }
    const dtypes = this.builder.outputTypes(oper).slice(0, Math.max(outputs, 0))
    const handles = dtypes.map((_, index) => ({ oper, index }))
    const shapes = this.shapesOf(op, inputs, handles)
    return this.number({ kind: 'op', op, attributes, inputs, dtypes, shapes, site }, handles)
  }

  adam(ids: readonly number[]): TensorMetadata[] {
    const inputs = ids.map((id) => this.ref(id))
    const state = inputs.slice(0, 3)
    const shapes = state.map(({ node, output }) => (this.nodes[node] as TraceNode).shapes[output] as readonly number[])
    const handles = shapes.map((shape) => this.builder.placeholder(1, shape))
    return this.number({ kind: 'adam', inputs, dtypes: [1, 1, 1], shapes, site: new Error() }, handles)
  }

  /** Tensor numbers of an op's inputs, in place of the backend's own method. */
  inputIds(tensors: readonly Tensor[], node: NodeBackend): number[] {
    return tensors.map((tensor) => {
      const int64 = (tensor as unknown as { valueArray?: Int32Array }).valueArray
      if (int64) return this.constant(9, [], int64).id
      const data = node.tensorMap.get(tensor.dataId)
      if (data.values === null) return data.id
      const known = this.constants.get(tensor.dataId)
      if (known !== undefined) return known
      const { id } = this.constant(data.dtype, data.shape, rawBytes(data.dtype, data.values))
      this.constants.set(tensor.dataId, id)
      return id
    })
  }

  isSymbol(id: number): boolean {
    return id >= firstSymbol
  }

  /** The addon's stand-in. */
  binding(): NodeBackend['binding'] {
    const refuse = (what: string): never => {
      throw new TraceError(`cannot trace reading a tensor back (${what}): its numbers exist only when the graph runs`)
    }
    const standIn: Binding = {
      createTensor: (shape, dtype, values) => this.constant(Number(dtype), shape, rawBytes(Number(dtype), values)).id,
      deleteTensor: (id) => {
        if (!this.isSymbol(id)) this.real.deleteTensor(id)
      },
      tensorDataSync: (id) => (this.isSymbol(id) ? refuse('dataSync, arraySync, data or print') : this.real.tensorDataSync(id)),
      executeOp: (op, attributes, ids, outputs) => this.execute(op, attributes, ids, outputs),
      applyAdam: (ids) => this.adam(ids),
    }
    // The addon's numbers for types and attributes are its own properties, not all of them enumerable.
    const properties = Object.getOwnPropertyDescriptors(this.real)
    return Object.create(Object.prototype, { ...properties, ...Object.getOwnPropertyDescriptors(standIn) }) as NodeBackend['binding']
  }

  dispose(): void {
    this.builder.dispose()
  }
}

/** Numbers as TensorFlow stores them. */
function rawBytes(dtype: number, values: ArrayLike<number>): ArrayBufferView {
  if (bytesOfType[dtype] === undefined) throw new TraceError(`a constant of TensorFlow type ${dtype} cannot be part of a graph`)
  if (ArrayBuffer.isView(values)) return (values as unknown as Float32Array).slice()
  if (dtype === 10) return Uint8Array.from(values)
  return dtype === 3 ? Int32Array.from(values) : Float32Array.from(values)
}

let tracing = false

/** Replaces what must not be used during a trace; returns a function that puts it back. */
function guard(): () => void {
  const engine = tf.engine() as unknown as { makeVariable: unknown }
  const { random } = Math
  const { makeVariable } = engine
  Math.random = () => {
    throw new TraceError(
      'cannot trace JavaScript randomness (Math.random, or a tfjs random op): its numbers would be frozen; use a RandomStream',
    )
  }
  engine.makeVariable = () => {
    throw new TraceError('cannot trace the creation of a variable: make it before, outside the compiled function')
  }
  return () => {
    Math.random = random
    engine.makeVariable = makeVariable
  }
}

/**
 * Writes a function down.
 * @param call runs the function on symbolic arguments and returns the tensors of its result
 * @param first the first trace's stand-ins, when this is the second trace
 * @throws TraceError that names the op, the reason and the caller's line
 */
export function trace(
  argumentShapes: readonly { dtype: number; shape: readonly number[] }[],
  call: (args: Tensor[]) => Tensor[],
  first?: StandIns,
): Trace {
  if (tracing) throw new TraceError('a compiled function was called inside one that is being traced: compile the outer one alone')
  const node = backend()
  const { binding } = node
  const tracer = new Tracer(binding, first)
  const variables = Object.values((tf.engine() as unknown as { registeredVariables: Record<string, Variable> }).registeredVariables)
  const held = variables.map((variable) => holdVariable(node, tracer, variable))
  const release = guard()
  tracing = true
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 60
  tf.engine().startScope('trace')
  try {
    node.binding = tracer.binding()
    node.getInputTensorIds = (tensors) => tracer.inputIds(tensors, node)
    const args = argumentShapes.map(({ dtype, shape }, index) =>
      node.createOutputTensor(tracer.symbol({ kind: 'argument', index }, dtype, shape)),
    )
    const results = call(args)
    const refOf = (tensor: Tensor): Ref => tracer.ref(node.getInputTensorIds([tensor])[0] as number)
    const outputs = results.map(refOf)
    const assignments = held
      .filter(({ variable, dataId }) => variable.dataId !== dataId)
      .map(({ variable }) => ({ variable, value: refOf(variable) }))
    return { nodes: tracer.nodes, outputs, assignments, standIns: tracer.sizes }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const reason = /gradient function not found for (\w+)/.exec(error.message)
    const message = reason ? `cannot trace the gradient of ${reason[1]}: the op has none` : error.message
    const failure = new TraceError(`${message}\n  at ${siteOf(error)}`)
    failure.cause = error
    throw failure
  } finally {
    tf.engine().endScope()
    for (const each of held) each.restore()
    node.binding = binding
    delete (node as { getInputTensorIds?: unknown }).getInputTensorIds // the prototype's shows again
    release()
    tracing = false
    Error.stackTraceLimit = stackTraceLimit
    tracer.dispose()
  }
}

/** Lets a variable stand for itself in a trace; `restore`, after the trace's scope has ended, undoes that and any assignment. */
function holdVariable(node: NodeBackend, tracer: Tracer, variable: Variable): { variable: Variable; dataId: object; restore(): void } {
  const { dataId } = variable
  const data = node.tensorMap.get(dataId)
  let metadata: TensorMetadata | undefined
  // Made only if it is used: most functions touch few of the variables that exist. All counting of references during the trace happens
  // on the stand-in, whose extra one keeps it from being disposed of.
  node.tensorMap.set(dataId, {
    shape: data.shape,
    dtype: data.dtype,
    values: null,
    refCount: data.refCount + 1,
    get id() {
      metadata ??= tracer.symbol({ kind: 'variable', variable }, data.dtype, variable.shape)
      return metadata.id
    },
  })
  return {
    variable,
    dataId,
    restore() {
      const engine = tf.engine() as unknown as { disposeTensor(t: Tensor): void; incRef(t: Tensor, backend: null): void }
      if (variable.dataId !== dataId) {
        engine.disposeTensor(variable)
        ;(variable as unknown as { dataId: object }).dataId = dataId
        engine.incRef(variable, null)
      }
      node.tensorMap.set(dataId, data)
    },
  }
}
