/**
 * The one place that loads tfjs, when it is first used, and the only one that reaches into tfjs's internals.
 * tfjs-node's backend gets our binding (tensorflow/) where its compiled addon would be; the rest is what tfjs-node's index does. What newer
 * Node versions no longer have is supplied.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs'
import { TensorError } from '../../base/errors'
import { lazyExport } from '../../base/lazy-export'
import { newBinding, type TfjsBinding } from '../tensorflow/binding'
import { loadTfjsNode, type NodeBackend } from './tfjs-node'
import { listVariablesWeakly, type VariableEngine } from './weak-variables'

export type { DataType, Rank, Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, TensorLike, Variable } from '@tensorflow/tfjs'
export type { NodeBackend } from './tfjs-node'

/** What tfjs-node still calls although newer Node versions deprecate it (with a warning) or lack it. */
function restoreNodeUtil(): void {
  const util: Record<string, unknown> = require('node:util')
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined
  util.isArray = Array.isArray
}

type Tfjs = typeof import('@tensorflow/tfjs')

function load(): { tf: Tfjs; binding: TfjsBinding } {
  restoreNodeUtil()
  const tf: Tfjs = require('@tensorflow/tfjs')
  const { NodeJSKernelBackend } = loadTfjsNode()
  /** tfjs-node's backend, which says so when an op gets a tensor that was disposed of. */
  class Backend extends NodeJSKernelBackend {
    override getInputTensorIds(tensors: readonly Tensor[]): number[] {
      for (const { dataId, shape } of tensors)
        if (dataId && !this.tensorMap.has(dataId))
          throw new TensorError(`an op got a tensor of shape [${shape.join(', ')}] that was disposed of`)
      return super.getInputTensorIds(tensors)
    }
  }
  const binding = newBinding()
  tf.registerBackend('tensorflow', () => new Backend(binding, '@tensorflow/tfjs-node-gpu'), 3)
  tf.setBackend('tensorflow')
  listVariablesWeakly(tf.engine() as unknown as VariableEngine)
  return { tf, binding }
}

let loaded: ReturnType<typeof load> | undefined

function runtime(): ReturnType<typeof load> {
  loaded ??= load()
  return loaded
}

/** tfjs on TensorFlow. */
export declare const tf: Tfjs
lazyExport<{ tf: Tfjs }, 'tf'>(exports, 'tf', () => runtime().tf)

/** tfjs-node's backend. */
export const backend = (): NodeBackend => tf.backend() as unknown as NodeBackend

/** The binding to TensorFlow. */
export const binding = (): TfjsBinding => runtime().binding

/** An op that a gradient may flow through. */
export interface TapeNode {
  readonly kernelName: string
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: readonly Tensor[]
  gradient?: (...dys: unknown[]) => unknown
}

/** What we use of tfjs's engine beside its public methods. */
interface EngineInternals {
  readonly registeredVariables: Readonly<Record<string, Variable>>
  makeVariable: (...args: never) => unknown
  addTapeNode: (...node: never) => void
  readonly state: { readonly activeTape: TapeNode[] | null }
  disposeTensor(tensor: Tensor): void
  incRef(tensor: Tensor, backend: null): void
}
const engine = (): EngineInternals => tf.engine() as unknown as EngineInternals

/** Until the returned function is called, making a variable calls `refuse`. */
export function forbidNewVariables(refuse: () => never): () => void {
  const { makeVariable } = engine()
  engine().makeVariable = refuse
  return () => {
    engine().makeVariable = makeVariable
  }
}

/** A variable has its earlier data again, whatever was assigned since. */
export function restoreData(variable: Variable, dataId: Variable['dataId']): void {
  if (variable.dataId === dataId) return
  engine().disposeTensor(variable)
  variable.dataId = dataId
  engine().incRef(variable, null)
}

/** The numbers of what tfjs-node passes as an int64 scalar, which is no tensor of tfjs. */
export const int64Of = (input: Tensor | { readonly valueArray: Int32Array }): Int32Array | undefined =>
  'valueArray' in input ? input.valueArray : undefined

/** Gives a variable new data, as `variable.assign` would, without a tensor to assign. */
export function giveData(variable: Variable, id: number): object {
  const { dtype, shape } = backend().tensorMap.get(variable.dataId)
  const dataId = {}
  backend().tensorMap.set(dataId, { shape, dtype, values: null, id, refCount: 1 })
  const tensor = tf.engine().makeTensorFromTensorInfo({ dataId, shape: variable.shape, dtype: variable.dtype })
  variable.assign(tensor)
  tensor.dispose()
  return dataId
}

/** Every variable that was made and neither disposed of nor collected. */
export const livingVariables = (): Variable[] => Object.values(engine().registeredVariables)

/** Calls a function with every op that a gradient may flow through, when it has run. */
export function onTape(added: (node: TapeNode) => void): void {
  const { addTapeNode } = engine()
  engine().addTapeNode = (...node) => {
    addTapeNode.apply(engine(), node)
    const last = engine().state.activeTape?.at(-1)
    if (last) added(last)
  }
}

/**
 * The variables that a gradient of y reaches; called where y has just been computed, in the function whose gradient is wanted.
 */
export function reachedVariables(y: Tensor): Set<Variable> {
  const reached = new Set([y.id])
  for (const { inputs, outputs } of [...(engine().state.activeTape ?? [])].reverse())
    if (outputs.some(({ id }) => reached.has(id))) for (const { id } of Object.values(inputs)) reached.add(id)
  return new Set(livingVariables().filter(({ id }) => reached.has(id)))
}
