/** A step of a trace, where its results are used, and a step that is another one in the next pass. */
import type { Variable } from '../tensor/tf'
import type { Numbers, OpAttribute } from '../tensorflow/types'
import { type Size, shapeName } from './sizes'

/** An output of a node. */
export interface Ref {
  readonly node: number
  readonly output: number
}

/** What a node is. */
export type Step =
  | { readonly kind: 'argument'; readonly dtype: number; readonly shape: readonly number[] }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | OpStep
  | UpdateStep
  | { readonly kind: 'constant'; readonly dtype: number; readonly shape: readonly number[]; readonly values: Numbers }
  /** A vector, or a scalar, in which a number is a size that depends on data. */
  | { readonly kind: 'sizes'; readonly dtype: number; readonly shape: readonly number[]; readonly entries: readonly Size[] }
  /** One number everywhere, in a shape that depends on data. */
  | { readonly kind: 'fill'; readonly dtype: number; readonly shape: readonly Size[]; readonly values: Numbers }

export interface OpStep {
  readonly kind: 'op'
  readonly op: string
  readonly attributes: readonly OpAttribute[]
  readonly inputs: readonly Ref[]
  readonly outputs: number
}

/** An op that changes variables. Inputs: the variables' old values, then the op's other inputs; outputs: their new values. */
export interface UpdateStep {
  readonly kind: 'update'
  readonly op: string
  readonly attributes: readonly OpAttribute[]
  readonly inputs: readonly Ref[]
  readonly variables: readonly Variable[]
}

/** A step of a trace. */
export interface TraceNode {
  readonly step: Step
  readonly dtypes: readonly number[]
  readonly dims: readonly (readonly Size[])[]
  /** Where it was called, if that was asked for; the stack is formatted only when it is read. */
  readonly site?: Error
}

/** Ends a pass of a trace; an affair of the tracer. */
export class PassEnd extends Error {}

/** Something that is not the same in two passes of a trace, or from one trace to the next. */
export class Difference extends PassEnd {
  /** The caller's line. */
  site?: string

  /**
   * @param what what differs: `a number (1 in one pass, 2 in the other)`
   * @param isState whether it is certainly JavaScript state, and no size that depends on data
   */
  constructor(
    readonly what: string,
    readonly isState = false,
  ) {
    super(what)
  }
}

/** What a step is called in messages and prints. */
export function stepName(step: Step): string {
  switch (step.kind) {
    case 'op':
    case 'update':
      return step.op
    case 'variable':
      return `variable ${step.variable.name}`
    case 'sizes':
      return `sizes ${shapeName(step.entries)}`
    case 'fill':
      return `fill with ${step.values[0]}`
    case 'constant': {
      const numbers = Array.from(step.values.slice(0, 4), (number) => Number(number.toPrecision(4)))
      return `constant ${numbers.join(', ')}${step.values.length > 4 ? ', ...' : ''}`
    }
    case 'argument':
      return 'argument'
  }
}
