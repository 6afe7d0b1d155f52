/**
 * `compile(fn)`: a function of tensors, traced once for each combination of shapes and run as one TensorFlow graph from then on. The function
 * stays what it was: plain tfjs ops, the project's ops, gradients, an optimizer.
 */
import { TraceError } from '../errors'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { type GraphFunction, lower } from './lower'
import { resolve } from './resolve'
import { type GraphRuntime, graphRuntime, typeOf } from './runtime'
import { tensorflow } from './tensorflow'
import { trace } from './trace'

/** Tensors, and arrays and records of them: what a compiled function takes and gives. Other arguments are constants of a trace. */
type Structure = Tensor | readonly Structure[] | { readonly [key: string]: Structure } | number | string | boolean | null | undefined

/** A function made faster, with its traces. */
export type Compiled<F> = F & {
  /** Frees the traces; the function can be called again, and is traced anew. */
  dispose(): void
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
  readonly graph: GraphFunction
  readonly result: (tensors: Iterator<Tensor>) => Structure
}

/** What must be freed when a compiled function goes. */
interface Owned {
  readonly runtime: GraphRuntime
  readonly ready: Map<string, Ready>
}

function free({ runtime, ready }: Owned): void {
  const { call, status } = tensorflow()
  for (const { graph } of ready.values()) {
    call.TFE_ContextRemoveFunction(runtime.context, graph.name, status)
    for (const variable of graph.variables) runtime.release(variable)
  }
  ready.clear()
}

const dropped = new FinalizationRegistry<Owned>(free)

/**
 * Makes a function of tensors run as one TensorFlow graph.
 *
 * The function is traced when it is called with shapes that it has not seen; numbers, strings and booleans among its arguments are
 * constants of the trace, and so are tensors that it takes from outside; variables are not: it reads and writes their present values.
 * @throws TraceError from the first call, if something cannot be traced
 */
export function compile<Args extends unknown[], R>(fn: (...args: Args) => R, options: CompileOptions = {}): Compiled<(...args: Args) => R> {
  const owned: Owned = { runtime: graphRuntime(), ready: new Map() }
  const compiled = (...args: Args): R => {
    const tensors: Tensor[] = []
    const key = flatten(args, tensors, 'the arguments')
    let ready = owned.ready.get(key)
    if (!ready) {
      const start = performance.now()
      const name = fn.name || 'function'
      options.onTrace?.({ name, done: false, milliseconds: 0, operations: 0 })
      ready = prepare(fn as (...args: unknown[]) => unknown, args as unknown as Structure[], tensors, owned.runtime)
      owned.ready.set(key, ready)
      options.onTrace?.({ name, done: true, milliseconds: performance.now() - start, operations: ready.graph.operations })
    }
    return run(ready, tensors, owned.runtime) as R
  }
  const result = Object.assign(compiled, { dispose: () => free(owned) }) as Compiled<typeof compiled>
  Object.defineProperty(result, 'traces', { get: () => owned.ready.size })
  dropped.register(result, owned)
  return result
}

function prepare(
  fn: (...args: unknown[]) => unknown,
  args: readonly Structure[],
  tensors: readonly Tensor[],
  runtime: GraphRuntime,
): Ready {
  const shapes = tensors.map((tensor) => ({ dtype: typeOf(tensor), shape: tensor.shape }))
  let structure: Structure
  const call = (symbols: Tensor[]): Tensor[] => {
    structure = fn(...(unflatten(args, symbols[Symbol.iterator]()) as unknown[])) as Structure
    const results: Tensor[] = []
    flatten(structure, results, 'the result')
    return results
  }
  const first = trace(shapes, call)
  const resolved = resolve(first, trace(shapes, call, first.standIns))
  const result = (values: Iterator<Tensor>): Structure => unflatten(structure, values)
  return { graph: lower(resolved, runtime), result }
}

function run({ graph, result }: Ready, tensors: readonly Tensor[], runtime: GraphRuntime): Structure {
  runtime.push(graph.variables as Variable[], graph.assigned)
  const inputs = tensors.map((tensor) => runtime.handleOf(tensor))
  const outputs = runtime.execute(graph.name, inputs, graph.outputs)
  for (const input of inputs) runtime.delete(input)
  runtime.markNewer(graph.assigned)
  const values = outputs.map((handle) => {
    const { values, shape, dtype } = runtime.read(handle)
    runtime.delete(handle)
    return tf.tensor(values, shape, dtype)
  })
  return result(values[Symbol.iterator]())
}
