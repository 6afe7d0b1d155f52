/**
 * Tracing: a function of tensors is run on symbolic tensors, and every op that it would execute is put into a TensorFlow graph instead.
 *
 * tfjs runs an op by handing tensor numbers to its binding; during a trace the tracer stands in the binding's place. Nothing is computed:
 * shapes come from TensorFlow's own inference, so reading a value back is impossible and refused.
 *
 * A size that depends on data gets a probe size, which is another in each of two passes. An example: of 6 rows x [6, 4], some go to expert 0.
 *
 *   JavaScript                                        first pass       second pass     in the graph
 *   const [rows] = splitRows(x, load)                 rows [20011, 4]  rows [20021, 4] SplitV(x, load); its size is called n1
 *   tf.add(rows, tf.fill(rows.shape, 0.5))            Fill [20011, 4]  Fill [20021, 4] AddV2(rows, Fill([Shape(rows)[0], 4], 0.5))
 *   tf.mul(rows, 1 / rows.shape[0])                   0.00004997       0.00004995      refused: it would be frozen
 *
 * The first pass writes the graph: a number that is the probe size of n1 becomes n1. The second only compares: what is the same in both
 * passes is constant, n1 must be n1 again, and anything else that differs depends on data in a way that the graph cannot follow, or on
 * JavaScript state that moved on (a counter, a list that grows, the clock, which goes a day further with each pass). More passes
 * follow when the function is called again (`Trace.check`).
 */
import { at, valueAt } from '../../base/assertions'
import { callerSite, withDeepStacks } from '../../base/caller-site'
import { TensorError, TraceError } from '../../base/errors'
import { type Binding, backend, type NodeBackend, type TensorMetadata } from '../tensor/op'
import { forbidNewVariables, int64Of, livingVariables, restoreData } from '../tensor/runtime'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { separateVariables } from '../tensor/variables'
import { dataType, type Numbers, nameOfType } from '../tensorflow/types'
import { FunctionGraph } from './function-graph'
import { attributesKey } from './inference'
import { Difference, PassEnd, Recorder, type Ref, type Step, stepName, type TraceNode } from './recorder'
import { probeOf, type Size, Sizes } from './sizes'

/** A function that TensorFlow can run. */
export interface Trace {
  readonly name: string
  readonly nodes: readonly TraceNode[]
  readonly results: readonly Ref[]
  /** The variables that it reads or writes. */
  readonly variables: readonly Variable[]
  /** Those that it writes. */
  readonly assigned: ReadonlySet<Variable>
  /** How many operations it has. */
  readonly operations: number
  /**
   * Runs the function once more on symbolic tensors and compares.
   * @throws TraceError if it would become another graph now: the op, and the caller's line
   */
  check(): void
}

/** Symbolic tensors are numbered above all real ones, and never twice. */
const firstSymbol = 2 ** 52
let nextSymbol = firstSymbol

/** A number that is the same in both passes equals a probe size by accident: larger ones are needed. */
class ProbeClash extends PassEnd {
  constructor(readonly number: number) {
    super()
  }
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])
const sameRefs = (a: readonly Ref[], b: readonly Ref[]): boolean =>
  a.length === b.length && a.every(({ node, output }, i) => node === b[i]?.node && output === b[i]?.output)

/** Whether a step of the second pass is that of the first. */
function sameStep(a: Step, b: Step): boolean {
  if (a.kind === 'op' || a.kind === 'update') {
    if (a.kind !== b.kind || a.op !== b.op || !sameRefs(a.inputs, b.inputs)) return false
    return attributesKey(a.attributes) === attributesKey(b.attributes)
  }
  return a.kind === 'variable' ? b.kind === 'variable' && a.variable === b.variable : a.kind === b.kind
}

/** Compares a constant with that of the first pass. */
function compareConstants({ step, dims: [dims = []] }: TraceNode, shape: readonly number[], values: Numbers, probe: 0 | 1): void {
  if (step.kind !== 'constant' && step.kind !== 'sizes' && step.kind !== 'fill') return
  const compare = (size: Size, number: number | undefined): void => {
    if (Object.is(number, probeOf(size, probe))) return
    if (number === probeOf(size, 0)) throw new ProbeClash(number)
    throw new Difference(`a number (${probeOf(size, 0)} in one pass, ${number} in the other)`)
  }
  const numbers = Array.from(values)
  if (step.kind === 'fill') for (const [axis, size] of dims.entries()) compare(size, shape[axis])
  const first: readonly Size[] = step.kind === 'sizes' ? step.entries : Array.from(step.values)
  const expected = step.kind === 'fill' ? numbers.map(() => at(first, 0)) : first
  const isSame = (step.kind === 'fill' || sameList(dims, shape)) && numbers.every((number, i) => Object.is(number, expected[i]))
  if (isSame) return
  if (step.kind === 'fill' || dims.length > 1 || !sameList(dims, shape))
    throw new Difference(`a constant of shape [${dims.map((size) => probeOf(size, 0)).join(', ')}]`)
  for (const [i, number] of numbers.entries()) compare(at(expected, i), number)
}

/** One pass over a function. */
class Pass {
  private readonly refs = new Map<number, Ref>()
  private readonly outside = new Map<number, Ref>()
  /** Constants by tfjs's data, which keeps its values: a trace changes nothing outside it. */
  private readonly constants = new Map<object, number>()
  private count = 0

  /**
   * @param nodes what the first pass records and others are compared with
   * @param probe which probe sizes it sees
   * @param recorder of the first pass
   */
  constructor(
    private readonly real: NodeBackend['binding'],
    private readonly nodes: readonly TraceNode[],
    private readonly probe: 0 | 1,
    /** Counted from 0, the one that records. */
    readonly number: number,
    private readonly recorder?: Recorder,
    private readonly withSites = false,
  ) {}

  /** A step: written down in the first pass, compared in others. */
  step(step: Step): TensorMetadata[] {
    const index = this.count++
    this.recorder?.record(step, this.withSites ? new Error() : undefined)
    const node = this.nodes[index]
    if (!node) throw new Difference(`a decision (${stepName(step)} in one pass, the end in the other)`)
    if (!sameStep(node.step, step)) {
      const [now, before] = [stepName(step), stepName(node.step)]
      throw new Difference(`a decision (${now === before ? `another ${now}` : `${before} in one pass, ${now} in the other`})`)
    }
    return node.dtypes.map((dtype, output) => {
      const id = nextSymbol++
      this.refs.set(id, { node: index, output })
      return { id, shape: at(node.dims, output).map((size) => probeOf(size, this.probe)), dtype }
    })
  }

  private constant(dtype: number, shape: readonly number[], values: Numbers): TensorMetadata {
    if (this.recorder) return at(this.step(this.recorder.constant(dtype, shape, values)), 0)
    const expected = this.nodes[this.count]
    if (expected) compareConstants(expected, shape, values, this.probe)
    const isConstant = expected && 'dtype' in expected.step && expected.step.kind !== 'argument' && expected.step.dtype === dtype
    return at(this.step(isConstant ? expected.step : { kind: 'constant', dtype, shape, values }), 0)
  }

  /** What a tensor number stands for; a tensor from outside the function is taken in as a constant. */
  ref(id: number): Ref {
    const known = this.refs.get(id) ?? this.outside.get(id)
    if (known) return known
    if (id >= firstSymbol)
      throw new TraceError('a tensor that was made inside an earlier trace has escaped from it: make it inside, or before')
    const values = this.real.tensorDataSync(id)
    if (Array.isArray(values) || values instanceof BigInt64Array)
      throw new TraceError('a tensor of strings or of int64 cannot be part of a graph')
    // The binding tells values but not shapes; an Identity tells both.
    const copy = at(this.real.executeOp('Identity', [], [id], 1), 0)
    this.real.deleteTensor(copy.id)
    const ref = valueAt(this.refs, this.constant(copy.dtype, copy.shape, rawBytes(copy.dtype, values)).id)
    this.outside.set(id, ref)
    return ref
  }

  /** Tensor numbers of an op's inputs, in place of the backend's own method. */
  inputIds(tensors: readonly Tensor[], node: NodeBackend): number[] {
    return tensors.map((tensor) => {
      const int64 = int64Of(tensor)
      if (int64) return this.constant(9, [], int64).id
      if (!node.tensorMap.has(tensor.dataId))
        throw new TensorError(`an op got a tensor of shape [${tensor.shape.join(', ')}] that was disposed of`)
      const data = node.tensorMap.get(tensor.dataId)
      if (data.values === null) return data.id
      const known = this.constants.get(tensor.dataId)
      if (known !== undefined) return known
      const { id } = this.constant(data.dtype, data.shape, rawBytes(data.dtype, data.values))
      this.constants.set(tensor.dataId, id)
      return id
    })
  }

  /** What stands in the binding's place. */
  binding(): NodeBackend['binding'] {
    const refuseRead = (): never => {
      throw new TraceError(
        'cannot trace reading a tensor back (dataSync, arraySync, data or print): its numbers exist only when the graph runs',
      )
    }
    const traced: Binding = {
      createTensor: (shape, dtype, values) => this.constant(Number(dtype), shape, rawBytes(Number(dtype), values)).id,
      deleteTensor: (id) => {
        if (id < firstSymbol) this.real.deleteTensor(id)
      },
      tensorDataSync: (id) => (id >= firstSymbol ? refuseRead() : this.real.tensorDataSync(id)),
      executeOp: (op, attributes, ids, outputs) =>
        this.step({ kind: 'op', op, attributes, inputs: ids.map((id) => this.ref(id)), outputs }),
      updateInPlace: (op, variables, ids, attributes) =>
        this.step({ kind: 'update', op, attributes, inputs: ids.map((id) => this.ref(id)), variables }),
    }
    // The binding's numbers for types and attributes are its own properties, not all of them enumerable.
    const properties = Object.getOwnPropertyDescriptors(this.real)
    return Object.create(Object.prototype, { ...properties, ...Object.getOwnPropertyDescriptors(traced) })
  }

  /** Ends a pass. */
  end(): void {
    const next = this.nodes[this.count]
    if (next) throw new Difference(`a decision (${stepName(next.step)} in one pass, the end in the other)`)
  }
}

/** Numbers as TensorFlow stores them. */
function rawBytes(dtype: number, values: ArrayLike<number>): Numbers {
  if (values instanceof Float32Array || values instanceof Int32Array || values instanceof Uint8Array) return values.slice()
  if (dtype === dataType.float32) return Float32Array.from(values)
  if (dtype === dataType.int32) return Int32Array.from(values)
  if (dtype === dataType.bool) return Uint8Array.from(values)
  throw new TraceError(`a constant of type ${nameOfType(dtype)} cannot be part of a graph`)
}

let tracing = false

/** How far the clock goes with each pass after the first: more than a day, so that whatever depends on the time differs. */
const clockStep = 90_061_001

/** Moves the clock on; returns a function that puts it back. */
function moveClock(pass: number): () => void {
  const { now } = performance
  const RealDate = Date
  const clockOffset = pass * clockStep
  performance.now = () => now.call(performance) + clockOffset
  const dateNow = (): number => RealDate.now() + clockOffset
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length > 0 ? args : [dateNow()], newTarget),
    get: (target, key) => (key === 'now' ? dateNow : Reflect.get(target, key)),
  })
  return () => {
    performance.now = now
    globalThis.Date = RealDate
  }
}

/** Replaces what must not be used during a trace; returns a function that puts it back. */
function guard(pass: number): () => void {
  const restoreClock = moveClock(pass)
  const { random } = Math
  Math.random = () => {
    throw new TraceError(
      'cannot trace JavaScript randomness (Math.random, or a tfjs random op): its numbers would be frozen; use a RandomStream',
    )
  }
  const allowVariables = forbidNewVariables(() => {
    throw new TraceError('cannot trace the creation of a variable: make it before, outside the compiled function')
  })
  return () => {
    restoreClock()
    Math.random = random
    allowVariables()
  }
}

/** What a function returns and assigns. */
interface Outcome {
  readonly results: readonly Ref[]
  readonly assignments: readonly { readonly variable: Variable; readonly value: Ref }[]
}

/** Runs a function on symbolic arguments. @returns what its results and assignments are */
function run(
  pass: Pass,
  node: NodeBackend,
  argumentShapes: readonly { dtype: number; shape: readonly number[] }[],
  call: (args: Tensor[]) => Tensor[],
): Outcome {
  const { binding } = node
  const held = livingVariables().map((variable) => holdVariable(node, pass, variable))
  const release = guard(pass.number)
  tf.engine().startScope('trace')
  try {
    node.binding = pass.binding()
    node.getInputTensorIds = (tensors) => pass.inputIds(tensors, node)
    const args = argumentShapes.map(({ dtype, shape }) => node.createOutputTensor(at(pass.step({ kind: 'argument', dtype, shape }), 0)))
    const refOf = (tensor: Tensor): Ref => pass.ref(at(node.getInputTensorIds([tensor]), 0))
    const results = call(args).map(refOf)
    const changed = held.filter(({ variable, dataId }) => variable.dataId !== dataId)
    const assignments = changed.map(({ variable }) => ({ variable, value: refOf(variable) }))
    pass.end()
    return { results, assignments }
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ProbeClash) throw error
    if (error instanceof Difference) throw Object.assign(error, { site: callerSite(error) })
    const { message } = error
    const failure = new TraceError(/\n {2}at /.test(message) ? message : `${message}\n  at ${callerSite(error)}`)
    failure.cause = error
    throw failure
  } finally {
    tf.engine().endScope()
    for (const each of held) each.restore()
    node.binding = binding
    Reflect.deleteProperty(node, 'getInputTensorIds') // the prototype's shows again
    release()
  }
}

/**
 * Makes a TensorFlow function of a function of tensors.
 * @param call runs it on symbolic arguments and returns the tensors of its result
 * @param withSites whether the steps note where they were called, which doubles the time
 * @throws TraceError that names the op, the reason and the caller's line
 */
export function trace(
  argumentShapes: readonly { dtype: number; shape: readonly number[] }[],
  call: (args: Tensor[]) => Tensor[],
  withSites = false,
): Trace {
  // A product of numbers below the probe sizes, which are primes, is no multiple of one, so that they stand out.
  const sizes = [...argumentShapes, ...livingVariables()].flatMap(({ shape }) => shape)
  const largest = sizes.reduce((a, b) => Math.max(a, b), 20_000)
  return alone(() => traceAbove(largest, argumentShapes, call, withSites))
}

/** Runs what traces; nothing else may trace meanwhile. */
function alone<T>(run: () => T): T {
  if (tracing) throw new TraceError('a compiled function was called inside one that is being traced: compile the outer one alone')
  tracing = true
  separateVariables()
  try {
    return withDeepStacks(run)
  } finally {
    tracing = false
  }
}

function traceAbove(largest: number, ...[argumentShapes, call, withSites = false]: Parameters<typeof trace>): Trace {
  const node = backend()
  const graph = new FunctionGraph()
  const recorder = new Recorder(graph, new Sizes(largest))
  const { nodes } = recorder
  let passes = 0
  const pass = (probe: 0 | 1, recorder?: Recorder): Outcome =>
    run(new Pass(node.binding, nodes, probe, passes++, recorder, withSites), node, argumentShapes, call)
  try {
    const first = pass(0, recorder)
    const compare = (probe: 0 | 1): void => {
      if (!sameRefs(allRefs(first), allRefs(pass(probe)))) throw new Difference('a decision (what the function returns or assigns)')
    }
    try {
      compare(1)
    } catch (error) {
      if (!(error instanceof Difference)) throw error
      if (error.isState)
        attempt(() => {
          throw error
        })
      // Where sizes are as in the first pass, nothing but JavaScript state can differ: now, or when it has moved on.
      for (let i = 0; i < passesToTell; i++) attempt(() => compare(0))
      throw error
    }
    const { results, assignments } = first
    const name = recorder.finish(results, assignments)
    const assigned = new Set(assignments.map(({ variable }) => variable))
    const check = (): void => alone(() => attempt(() => compare(1)))
    return { name, nodes, results, variables: graph.variables, assigned, operations: graph.operations, check }
  } catch (error) {
    graph.abandon()
    if (error instanceof Difference) throw explained(error, ', which depends on data and would be frozen into the graph')
    if (!(error instanceof ProbeClash)) throw error
    if (error.number > 2 ** 24)
      throw new TraceError(`cannot trace a function with the number ${error.number} in it: it is too large to tell from a size`)
    return traceAbove(error.number, argumentShapes, call, withSites)
  } finally {
    graph.dispose()
  }
}

/** Passes that tell a difference of data from one of JavaScript state. */
const passesToTell = 4

const allRefs = ({ results, assignments }: Outcome): Ref[] => [...results, ...assignments.map(({ value }) => value)]

const explained = ({ what, site }: Difference, reason: string): TraceError =>
  new TraceError(`cannot trace ${what}${reason}${site ? `\n  at ${site}` : ''}`)

/** What to do about JavaScript state that a graph cannot follow. */
export const stateRemedy = 'keep it in a variable (buffer, tf.variable) and choose with tf.where, or decide outside the compiled function'

/** Compares where sizes cannot be the cause of a difference. */
function attempt(compare: () => void): void {
  try {
    compare()
  } catch (error) {
    if (!(error instanceof Difference)) throw error
    throw explained(error, `: JavaScript state that changes from one call to the next would stand still in the graph; ${stateRemedy}`)
  }
}

/** A variable during a trace. */
interface Held {
  readonly variable: Variable
  readonly dataId: object
  restore(): void
}

/** Lets a variable stand for itself in a trace; `restore`, after the trace's scope has ended, undoes that and any assignment. */
function holdVariable(node: NodeBackend, pass: Pass, variable: Variable): Held {
  const { dataId } = variable
  const data = node.tensorMap.get(dataId)
  let metadata: TensorMetadata | undefined
  // Made only if it is used: most functions touch few of the variables that exist. All counting of references during the trace happens
  // on this data, whose extra one keeps it from being disposed of.
  node.tensorMap.set(dataId, {
    shape: data.shape,
    dtype: data.dtype,
    values: null,
    refCount: data.refCount + 1,
    get id() {
      metadata ??= at(pass.step({ kind: 'variable', variable }), 0)
      return metadata.id
    },
  })
  return {
    variable,
    dataId,
    restore() {
      restoreData(variable, dataId)
      node.tensorMap.set(dataId, data)
    },
  }
}
