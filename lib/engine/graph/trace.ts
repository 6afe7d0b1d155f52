/**
 * Tracing: a function of tensors is run on symbolic tensors, and every op that it would execute is put into a TensorFlow graph instead.
 *
 * tfjs runs an op by handing tensor numbers to its binding; during a trace the tracer stands in the binding's place. Nothing is computed:
 * shapes come from TensorFlow's own inference, so reading a value back is impossible and refused.
 *
 * A size that depends on data gets a probe size, which is another in each of two passes. An example: of 6 rows x [6, 4], some go to expert 0.
 *
 *   JavaScript                                        first pass       second pass     in the graph
 *   const [rows] = splitRows(x, load)                 rows [20011, 4]  rows [2, 4]     SplitV(x, load); its size is called n1
 *   tf.add(rows, tf.fill(rows.shape, 0.5))            Fill [20011, 4]  Fill [2, 4]     AddV2(rows, Fill([Shape(rows)[0], 4], 0.5))
 *   tf.mul(rows, 1 / rows.shape[0])                   0.00004997       0.5             refused: it would be frozen
 *
 * The first pass writes the graph: a number that is the probe size of n1 becomes n1. The second only compares: what is the same in both
 * passes is constant, n1 must be n1 again, and anything else that differs depends on data in a way that the graph cannot follow, or on
 * JavaScript state that moved on (a counter, a list that grows, the clock, which goes a day further with each pass). More passes
 * follow when the function is called again (`Trace.check`).
 */

import { withDeepStacks } from '../../base/caller-site'
import { TraceError } from '../../base/errors'
import { backend } from '../tensor/op'
import { livingVariables } from '../tensor/runtime'
import type { Tensor, Variable } from '../tensor/tf'
import { type Resource, separateVariables } from '../tensor/variables'
import { FunctionGraph } from './function-graph'
import { Pass, ProbeClash, sameRefs } from './pass'
import { Recorder } from './recorder'
import { type PassResults, runPass } from './run-pass'
import { Sizes } from './sizes'
import { Difference, type Ref, type TraceNode } from './step'

/** A function that TensorFlow can run. */
export interface Trace {
  readonly name: string
  readonly nodes: readonly TraceNode[]
  readonly results: readonly Ref[]
  /** The variables that it reads or writes. */
  readonly variables: readonly Variable[]
  /** Theirs; whoever frees the function releases them. */
  readonly resources: readonly Resource[]
  /** Those that it writes. */
  readonly assigned: ReadonlySet<Variable>
  /** Data of the tensors from outside that are constants in it. */
  readonly constants: ReadonlySet<object>
  /** How many operations it has. */
  readonly operations: number
  /**
   * Runs the function once more on symbolic tensors and compares.
   * @throws TraceError if it would become another graph now: the op, and the caller's line
   */
  check(): void
}

let tracing = false

/** Further passes, which show whether a difference comes from data or from JavaScript state. */
const statePasses = 4

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
  try {
    separateVariables()
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
  const pass = (probe: 0 | 1, recorder?: Recorder): PassResults =>
    runPass(new Pass(node.binding, nodes, probe, passes++, recorder, withSites), node, argumentShapes, call)
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
      for (let i = 0; i < statePasses; i++) attempt(() => compare(0))
      throw error
    }
    const { results, assignments } = first
    const name = recorder.finish(results, assignments)
    const assigned = new Set(assignments.map(({ variable }) => variable))
    const check = (): void => alone(() => attempt(() => compare(1)))
    const { variables, resources } = graph
    return { name, nodes, results, variables, resources, assigned, constants: first.taken, operations: graph.operations, check }
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

const allRefs = ({ results, assignments }: PassResults): Ref[] => [...results, ...assignments.map(({ value }) => value)]

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
