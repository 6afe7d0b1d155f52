/** Runs a function on symbolic tensors: a pass in the place of tfjs's binding, variables that stand for themselves, and all of it undone. */
import { at } from '../../base/assertions'
import { callerSite } from '../../base/caller-site'
import { TraceError } from '../../base/errors'
import type { NodeBackend, TensorMetadata } from '../tensor/op'
import { livingVariables, restoreData } from '../tensor/runtime'
import { type Tensor, tf, type Variable } from '../tensor/tf'
import { guard } from './guard'
import { type Pass, ProbeClash } from './pass'
import { Difference, type Ref } from './step'

/** What a function returns and assigns. */
export interface PassResults {
  readonly results: readonly Ref[]
  readonly assignments: readonly { readonly variable: Variable; readonly value: Ref }[]
  /** Data of tensors from outside that ops have taken. */
  readonly taken: ReadonlySet<object>
}

/** Runs a function on symbolic arguments. @returns what its results and assignments are */
export function runPass(
  pass: Pass,
  node: NodeBackend,
  argumentShapes: readonly { dtype: number; shape: readonly number[] }[],
  call: (args: Tensor[]) => Tensor[],
): PassResults {
  const { binding } = node
  const variables = livingVariables().map((variable) => standIn(node, pass, variable))
  const release = guard(pass.number)
  tf.engine().startScope('trace')
  try {
    node.binding = pass.binding()
    node.getInputTensorIds = (tensors) => pass.inputIds(tensors, node)
    const args = argumentShapes.map(({ dtype, shape }) => node.createOutputTensor(at(pass.step({ kind: 'argument', dtype, shape }), 0)))
    const refOf = (tensor: Tensor): Ref => pass.ref(at(node.getInputTensorIds([tensor]), 0))
    const results = call(args).map(refOf)
    const changed = variables.filter(({ variable, dataId }) => variable.dataId !== dataId || pass.updated.has(variable))
    const assignments = changed.map(({ variable }) => ({ variable, value: refOf(variable) }))
    pass.end()
    return { results, assignments, taken: pass.taken }
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ProbeClash) throw error
    if (error instanceof Difference) throw Object.assign(error, { site: callerSite(error) })
    const { message } = error
    const failure = new TraceError(/\n {2}at /.test(message) ? message : `${message}\n  at ${callerSite(error)}`)
    failure.cause = error
    throw failure
  } finally {
    tf.engine().endScope()
    for (const { variable, dataId } of variables) restoreData(variable, dataId) // all of them first: one may have another's stand-in
    for (const each of variables) each.restore()
    node.binding = binding
    Reflect.deleteProperty(node, 'getInputTensorIds') // the prototype's shows again
    release()
  }
}

/** A variable during a trace. */
interface TracedVariable {
  readonly variable: Variable
  readonly dataId: object
  restore(): void
}

/** Lets a variable stand for itself in a trace; `restore`, after the trace's scope has ended, undoes that and any assignment. */
function standIn(node: NodeBackend, pass: Pass, variable: Variable): TracedVariable {
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
      node.tensorMap.set(dataId, data)
    },
  }
}
