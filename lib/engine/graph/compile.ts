/**
 * `compile(fn)`: a function of tensors, traced once for each combination of shapes and run as one TensorFlow graph from then on. The function
 * stays what it was: plain tfjs ops, the project's ops, gradients, an optimizer.
 */
import { TraceError } from '../../base/errors'
import { backend, typeOf } from '../tensor/op'
import { type Tensor, tf } from '../tensor/tf'
import { releaseVariable, settleVariables } from '../tensor/variables'
import { tensorflow } from '../tensorflow/c-api'
import { tensorflowContext } from '../tensorflow/context'
import { printTrace } from './print'
import { type Trace, trace } from './trace'

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
  /** Told before a trace is made and after. */
  readonly onTrace?: (event: {
    readonly name: string
    readonly done: boolean
    readonly milliseconds: number
    readonly operations: number
  }) => void
}

const isTensor = (value: unknown): value is Tensor => value instanceof tf.Tensor
const isRecord = (value: unknown): value is Record<string, Structure> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** Takes the tensors out of a structure, in order. */
function flatten(value: unknown, tensors: Tensor[], where: string): string {
  if (isTensor(value)) {
    tensors.push(value)
    return `${value.dtype}[${value.shape}]`
  }
  if (Array.isArray(value)) return `[${value.map((item) => flatten(item, tensors, where)).join()}]`
  if (isRecord(value)) return `{${Object.entries(value).map(([key, item]) => `${key}:${flatten(item, tensors, where)}`)}}`
  if (value === null || ['number', 'string', 'boolean', 'undefined'].includes(typeof value)) return JSON.stringify(value) ?? 'undefined'
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
interface Ready {
  readonly graph: Omit<Trace, 'nodes'>
  readonly result: (tensors: Iterator<Tensor>) => Structure
  /** The trace again, with the lines where its ops were called. */
  readonly traceAgain: () => Trace
}

/** The traces of a function, by the shapes of its arguments. */
type Traces = Map<string, Ready>

/** Frees traces when their function goes. */
function free(traces: Traces): void {
  for (const { graph } of traces.values()) freeFunction(graph)
  traces.clear()
}

function freeFunction({ name, variables }: Ready['graph']): void {
  const { call, status } = tensorflow()
  call.TFE_ContextRemoveFunction(tensorflowContext().pointer, name, status)
  for (const variable of variables) releaseVariable(variable)
}

const dropped = new FinalizationRegistry<Traces>(free)

/**
 * Makes a function of tensors run as one TensorFlow graph.
 *
 * The function is traced when it is called with shapes that it has not seen; numbers, strings and booleans among its arguments are
 * constants of the trace, and so are tensors that it takes from outside; variables are not: it reads and writes their present values.
 * @throws TraceError from the first call, if something cannot be traced
 */
export function compile<Args extends unknown[], R>(fn: (...args: Args) => R, options: CompileOptions = {}): Compiled<(...args: Args) => R> {
  const traces: Traces = new Map()
  const compiled = (...args: Args): R => {
    const tensors: Tensor[] = []
    const key = flatten(args, tensors, 'the arguments')
    let ready = traces.get(key)
    if (!ready) {
      const start = performance.now()
      const name = fn.name || 'function'
      options.onTrace?.({ name, done: false, milliseconds: 0, operations: 0 })
      ready = prepare(fn as (...args: unknown[]) => unknown, args as unknown as Structure[], tensors)
      traces.set(key, ready)
      options.onTrace?.({ name, done: true, milliseconds: performance.now() - start, operations: ready.graph.operations })
    }
    return run(ready, tensors) as R
  }
  const print = (lines = 60): void => {
    if (traces.size === 0) console.log('not traced yet: call it first')
    for (const { traceAgain } of traces.values()) {
      const again = traceAgain()
      freeFunction(again)
      console.log(printTrace(fn.name || 'function', again, lines))
    }
  }
  const result = Object.assign(compiled, { dispose: () => free(traces), print }) as Compiled<typeof compiled>
  Object.defineProperty(result, 'traces', { get: () => traces.size })
  dropped.register(result, traces)
  return result
}

function prepare(fn: (...args: unknown[]) => unknown, args: readonly Structure[], tensors: readonly Tensor[]): Ready {
  const shapes = tensors.map((tensor) => ({ dtype: typeOf(tensor), shape: tensor.shape }))
  let structure: Structure
  const call = (symbols: Tensor[]): Tensor[] => {
    structure = fn(...(unflatten(args, symbols[Symbol.iterator]()) as unknown[])) as Structure
    const results: Tensor[] = []
    flatten(structure, results, 'the result')
    return results
  }
  const { nodes: _, ...graph } = trace(shapes, call) // which would keep constants in memory
  const result = (values: Iterator<Tensor>): Structure => unflatten(structure, values)
  return { graph, result, traceAgain: () => trace(shapes, call, true) }
}

function run({ graph, result }: Ready, tensors: readonly Tensor[]): Structure {
  settleVariables(graph.variables, graph.assigned)
  const node = backend()
  const outputs = node.binding.executeOp(graph.name, [], node.getInputTensorIds(tensors), graph.results.length)
  return result(outputs.map((metadata) => node.createOutputTensor(metadata))[Symbol.iterator]())
}
