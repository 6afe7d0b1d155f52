/**
 * `compile(fn)`: a function of tensors, traced once for each combination of shapes and run as one TensorFlow graph from then on. The function
 * stays what it was: plain tfjs ops, the project's ops, gradients, an optimizer.
 */
import { TensorError, TraceError } from '../../base/errors'
import { backend, typeOf } from '../tensor/op'
import { type Tensor, tf } from '../tensor/tf'
import { settleVariables } from '../tensor/variables'
import { tensorflow } from '../tensorflow/c-api'
import { tensorflowContext } from '../tensorflow/context'
import { StateSnapshot, show } from './javascript-state'
import { printTrace } from './print'
import { Difference } from './step'
import { stateRemedy, type Trace, trace } from './trace'

/** Tensors, and arrays and records of them: what a compiled function takes and gives. Other arguments are constants of a trace. */
type Structure = Tensor | readonly Structure[] | { readonly [key: string]: Structure } | number | string | boolean | null | undefined

/** A function made faster, with its traces. */
export type Compiled<F> = F & {
  /** Frees the traces; the function can be called again, and is traced anew. */
  dispose(): void
  /**
   * Prints what was traced, a line an op: inputs, shapes (n1, n2, ... are sizes that depend on data) and where it was called. Ops of the same
   * line are printed once. It traces again.
   * @param lines how many at most, for each trace
   */
  print(lines?: number): void
  /** How many traces it holds: one for each combination of argument shapes. */
  readonly traces: number
}

export interface CompileOptions {
  /** Called before a trace is made and after. */
  readonly onTrace?: (event: {
    readonly name: string
    readonly done: boolean
    readonly milliseconds: number
    readonly operations: number
  }) => void
}

const inResult = 'the result'

const isTensor = (value: unknown): value is Tensor => value instanceof tf.Tensor
const isRecord = (value: unknown): value is Record<string, Structure> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/**
 * Takes the tensors out of a structure, in order.
 * @returns what is left
 */
function flatten(value: unknown, tensors: Tensor[], where: string): string {
  if (isTensor(value)) {
    tensors.push(value)
    return where === inResult ? 'a tensor' : `${value.dtype}[${value.shape}]`
  }
  if (Array.isArray(value)) return `[${value.map((item) => flatten(item, tensors, where)).join()}]`
  if (isRecord(value)) return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${flatten(item, tensors, where)}`)}}`
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value) // NaN and Infinity are no null
  if (value === null || ['string', 'boolean', 'undefined'].includes(typeof value)) return JSON.stringify(value) ?? 'undefined'
  const got = value instanceof Promise ? 'a promise (the function must not be async)' : Object.prototype.toString.call(value)
  throw new TraceError(`compile: got ${got} in ${where}, expected tensors, or arrays and records of them`)
}

/** Puts tensors back into the places of a structure. */
function unflatten(value: Structure, tensors: Iterator<Tensor>): Structure {
  if (isTensor(value)) return tensors.next().value as Tensor
  if (Array.isArray(value)) return value.map((item) => unflatten(item, tensors))
  if (isRecord(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unflatten(item, tensors)]))
  return value
}

/** A trace, ready to run. */
interface PreparedTrace {
  readonly graph: Omit<Trace, 'nodes' | 'constants'>
  readonly registered: RegisteredFunction
  /** JavaScript state when it was traced. */
  readonly state: StateSnapshot
  /** Calls since it was traced. */
  calls: number
  /** The call before which the function is traced again and compared. */
  nextCheck: number
  readonly resultOf: (tensors: Iterator<Tensor>) => Structure
  /** The trace again, with the lines where its ops were called. */
  readonly traceAgain: () => Trace
}

/** The function of a trace that is registered with TensorFlow, and the variables that it uses. */
type RegisteredFunction = Pick<Trace, 'name' | 'resources'>

function freeFunction({ name, resources }: RegisteredFunction): void {
  const { call, status } = tensorflow()
  call.TFE_ContextRemoveFunction(tensorflowContext().pointer, name, status)
  for (const resource of resources) resource.release()
}

/** Frees functions whose compiled one was collected; what leads there must not keep it, as a trace does. */
const collected = new FinalizationRegistry<ReadonlySet<RegisteredFunction>>((functions) => functions.forEach(freeFunction))

/** Calls before the second, third, ... check of a trace: each costs what tracing costs without writing the graph, a fifth. */
const nextCheck = (call: number): number => (call < 33 ? 2 * call - 1 : 4 * call - 3)

/** A trace that serves fewer calls than this before JavaScript state changes was hardly worth it; this many in a row are refused. */
const fewCalls = 10
const mostShortTraces = 3

/**
 * Makes a function of tensors run as one TensorFlow graph.
 *
 * The function is traced when it is called with shapes that it has not seen; numbers, strings and booleans among its arguments are
 * constants of the trace, and so are tensors that it takes from outside; variables are not: it reads and writes their present values.
 *
 * JavaScript runs while the function is traced, never when the graph runs: what it decides or counts stands still. So the function is run on
 * symbolic tensors twice at first, and once more before its calls 2, 3, 5, 9, 17, 33, 129, 513, ...; it is refused if it would then become
 * another graph, or if a pass changes a field of the objects that it works on (`readsStateOf`). A field that was changed between two calls
 * takes a new trace. Not noticed in time: a counter that only a closure or a private #field has, and that decides for the first time
 * between two of those calls. Not noticed: a decision that treats 0 or 1 rows apart, where their number depends on data.
 * @throws TraceError from the first call, if something cannot be traced; from a later one, if JavaScript state has changed the graph
 */
export function compile<Args extends unknown[], R>(fn: (...args: Args) => R, options: CompileOptions = {}): Compiled<(...args: Args) => R> {
  const traces = new Map<string, PreparedTrace>()
  const functions = new Set<RegisteredFunction>()
  const free = (registered: RegisteredFunction): void => {
    functions.delete(registered)
    freeFunction(registered)
  }
  const name = fn.name || 'function'
  const shortTraces = new Map<string, number>()
  const newTrace = (args: Args, tensors: readonly Tensor[]): PreparedTrace => {
    const start = performance.now()
    options.onTrace?.({ name, done: false, milliseconds: 0, operations: 0 })
    const prepared = prepare(fn as (...args: unknown[]) => unknown, args as unknown as Structure[], tensors)
    functions.add(prepared.registered)
    options.onTrace?.({ name, done: true, milliseconds: performance.now() - start, operations: prepared.graph.operations })
    return prepared
  }
  /** Gives a trace up whose JavaScript state has changed. */
  const isOutdated = (key: string, { state, calls, registered }: PreparedTrace): boolean => {
    const change = state.change()
    if (!change) return false
    traces.delete(key)
    free(registered)
    const count = calls < fewCalls ? (shortTraces.get(key) ?? 0) + 1 : 0
    shortTraces.set(key, count)
    if (count >= mostShortTraces)
      throw new TraceError(
        `${name}: ${change.path} changes again and again (${show(change.before)}, then ${show(change.after)}), and each change needs a new trace; ` +
          `${stateRemedy}`,
      )
    return true
  }
  const compiled = (...args: Args): R => {
    const tensors: Tensor[] = []
    const key = flatten(args, tensors, 'the arguments')
    const known = traces.get(key)
    const prepared = known && !isOutdated(key, known) ? known : newTrace(args, tensors)
    traces.set(key, prepared)
    if (++prepared.calls === prepared.nextCheck) check(prepared)
    return run(prepared, tensors) as R
  }
  const print = (lines = 60): void => {
    if (traces.size === 0) console.log('not traced yet: call it first')
    for (const { traceAgain } of traces.values()) {
      const again = traceAgain()
      freeFunction(again)
      console.log(printTrace(name, again, lines))
    }
  }
  const dispose = (): void => {
    traces.clear()
    functions.forEach(free)
  }
  const result = Object.assign(compiled, { dispose, print }) as Compiled<typeof compiled>
  Object.defineProperty(result, 'traces', { get: () => traces.size })
  collected.register(result, functions)
  return result
}

function prepare(fn: (...args: unknown[]) => unknown, args: readonly Structure[], tensors: readonly Tensor[]): PreparedTrace {
  const shapes = tensors.map((tensor) => ({ dtype: typeOf(tensor), shape: tensor.shape }))
  let last: { readonly structure: Structure; readonly rest: string; readonly state: StateSnapshot } | undefined
  const call = (symbols: Tensor[]): Tensor[] => {
    const structure = fn(...(unflatten(args, symbols[Symbol.iterator]()) as unknown[])) as Structure
    const results: Tensor[] = []
    const rest = flatten(structure, results, inResult)
    const change = last?.state.changeWhileTracing()
    if (change) throw new Difference(`${change.path} (${show(change.before)}, then ${show(change.after)})`, true)
    if (last && last.rest !== rest) throw new Difference(`a result (${last.rest}, then ${rest})`)
    last = { structure, rest, state: last?.state ?? new StateSnapshot(fn) }
    return results
  }
  const { nodes: _, constants, ...graph } = trace(shapes, call)
  const registered = { name: graph.name, resources: graph.resources }
  const { state } = last as unknown as { state: StateSnapshot } // a trace calls the function
  state.watch(constants)
  const resultOf = (values: Iterator<Tensor>): Structure => unflatten(last?.structure, values)
  const traceAgain = (): Trace => trace(shapes, call, true)
  return { graph, registered, state, resultOf, traceAgain, calls: 0, nextCheck: 2 }
}

/** Compares a trace with what the function would become now. */
function check(prepared: PreparedTrace): void {
  prepared.nextCheck = nextCheck(prepared.calls)
  try {
    prepared.graph.check()
  } catch (error) {
    // A tensor that it took from outside, and that was disposed of since, is a constant of the graph.
    if (!(error instanceof TraceError && error.cause instanceof TensorError)) throw error
    prepared.nextCheck = Number.POSITIVE_INFINITY
  }
}

function run({ graph, resultOf }: PreparedTrace, tensors: readonly Tensor[]): Structure {
  settleVariables(graph.variables, graph.assigned)
  const node = backend()
  const outputs = node.binding.executeOp(graph.name, [], node.getInputTensorIds(tensors), graph.results.length)
  return resultOf(outputs.map((metadata) => node.createOutputTensor(metadata))[Symbol.iterator]())
}
