/**
 * Variables as TensorFlow resources. A variable that a compiled function uses, or an op changes in place, lives in a resource from then on:
 * its tfjs data stands for what the resource holds, and whoever reads it, eagerly or in a graph, reads the resource. Clones share a
 * variable's data until it is changed there; then they keep the value of that time. Assigning to the variable in eager code gives it data
 * of its own, which moves to the resource with the next compiled call.
 */
import { at } from '../../base/assertions'
import { TensorError } from '../../base/errors'
import type { Pointer } from '../tensorflow/c-api'
import { tensorflow } from '../tensorflow/c-api'
import { tensorflowContext } from '../tensorflow/context'
import { attributeType, type OpAttribute } from '../tensorflow/types'
import { typeOf } from './op'
import { backend, binding, giveData, livingVariables, type Tensor, type Variable } from './runtime'

/** Whether other tensors have the same data: clones, or what was assigned. */
const isShared = (variable: Variable): boolean => backend().tensorMap.get(variable.dataId).refCount > 1

/** Names that no resource has any more, by type and shape. TensorFlow keeps something for every name that it has seen, so they are used again. */
const freeNames = new Map<string, string[]>()

/** A variable's resource; it does not keep the variable. */
export class Resource {
  readonly name: string
  readonly handle: Pointer
  readonly dtype: number
  /** Type and shape. */
  private readonly kind: string
  isDeleted = false
  /** Compiled functions that know it by its name. */
  users = 0
  /** The tfjs data that stands for it, and its number, while there is one: the variable's own, or what clones have kept of it. */
  private proxy: { dataId: object; readonly id: number } | undefined

  constructor(variable: Variable) {
    this.dtype = typeOf(variable)
    this.kind = `${this.dtype}[${variable.shape}]`
    this.name = freeNames.get(this.kind)?.pop() ?? tensorflowContext().newName('variable')
    const attributes = [
      { name: 'dtype', type: attributeType.type, value: this.dtype },
      { name: 'shape', type: attributeType.shape, value: variable.shape },
      { name: 'shared_name', type: attributeType.string, value: this.name },
    ]
    this.handle = at(tensorflowContext().execute('VarHandleOp', attributes, [], 1), 0)
  }

  /** The variable's value is here, and nothing else shares its data if it is about to change. */
  settle(variable: Variable, changes: boolean): void {
    const { proxy } = this
    if (variable.isDisposed) throw new TensorError(`got the variable ${variable.name} to read or to change, which was disposed of`)
    const isHere = this.holds(variable)
    if (isHere && !(changes && isShared(variable))) return
    // Clones share the data: it becomes a tensor of its own.
    if (proxy) backend().tensorMap.get(proxy.dataId).id = binding().snapshot(proxy.id)
    if (!isHere) binding().assign(this.handle, this.dtype, at(backend().getInputTensorIds([variable]), 0))
    const id = proxy?.id ?? binding().proxyFor(this.handle, this.dtype, () => this.forget())
    this.proxy = { id, dataId: giveData(variable, id) }
  }

  /** Whether the variable's value is here and not in data of its own. */
  holds(variable: Variable): boolean {
    return this.proxy?.dataId === variable.dataId
  }

  /** A compiled function fewer. */
  release(): void {
    this.users--
    this.deleteIfUnused()
  }

  private forget(): void {
    this.proxy = undefined
    this.deleteIfUnused()
  }

  private deleteIfUnused(): void {
    if (this.users > 0 || this.proxy) return
    tensorflowContext().execute('DestroyResourceOp', [], [this.handle], 0)
    tensorflow().call.TFE_DeleteTensorHandle(this.handle)
    freeNames.set(this.kind, [...(freeNames.get(this.kind) ?? []), this.name])
    this.isDeleted = true
  }
}

const resources = new WeakMap<Variable, Resource>()

/** A variable's resource, which is made if there is none. */
function resourceOf(variable: Variable): Resource {
  const known = resources.get(variable)
  if (known && !known.isDeleted) return known
  const resource = new Resource(variable)
  resources.set(variable, resource)
  return resource
}

/** A compiled function begins to use a variable; `release` of the resource ends it. */
export function useVariable(variable: Variable): Resource {
  const resource = resourceOf(variable)
  resource.users++
  return resource
}

/**
 * Before a compiled function runs: what was assigned in eager code goes to the resources, and clones of what changes get their own data.
 * @throws TensorError if a variable was disposed of
 */
export function settleVariables(variables: Iterable<Variable>, changed: ReadonlySet<Variable>): void {
  for (const variable of variables) resourceOf(variable).settle(variable, changed.has(variable))
}

/**
 * Runs a TensorFlow op that changes variables on their own memory.
 * @param name an op whose first inputs are resources, one for each variable
 * @throws TensorError if a tensor was disposed of, TensorflowError if TensorFlow refuses the op
 */
export function updateVariables(
  name: string,
  variables: readonly Variable[],
  inputs: readonly Tensor[],
  attributes: readonly OpAttribute[],
): void {
  settleVariables(variables, new Set(variables))
  const handles = variables.map((variable) => resourceOf(variable).handle)
  binding().update(name, attributes, handles, backend().getInputTensorIds(inputs))
}

/** Before a trace: every variable gets data that no other tensor has, so that the data tells which one an op uses. */
export function separateVariables(): void {
  for (const variable of livingVariables().filter(isShared)) {
    const resource = resources.get(variable)
    if (resource?.holds(variable)) resource.settle(variable, true)
    else {
      const attributes = [{ name: 'T', type: attributeType.type, value: typeOf(variable) }]
      const [copy] = binding().executeOp('Identity', attributes, backend().getInputTensorIds([variable]), 1)
      if (copy) giveData(variable, copy.id)
    }
  }
}
