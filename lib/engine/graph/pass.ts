/**
 * One pass over a function that is traced: what stands in the place of tfjs's binding. The first pass writes steps down, others compare theirs
 * with them (trace.ts has the whole picture).
 */
import { at, valueAt } from '../../base/assertions'
import { TensorError, TraceError } from '../../base/errors'
import type { Binding, NodeBackend, TensorMetadata } from '../tensor/op'
import { int64Of } from '../tensor/runtime'
import type { Tensor, Variable } from '../tensor/tf'
import { dataType, type Numbers, nameOfType } from '../tensorflow/types'
import { attributesKey } from './inference'
import type { Recorder } from './recorder'
import { probeOf, type Size } from './sizes'
import { Difference, PassEnd, type Ref, type Step, stepName, type TraceNode } from './step'

/** Symbolic tensors are numbered above all real ones, and never twice. */
const firstSymbol = 2 ** 52
let nextSymbol = firstSymbol

/** A number that is the same in both passes equals a probe size by accident: larger ones are needed. */
export class ProbeClash extends PassEnd {
  constructor(readonly number: number) {
    super()
  }
}

const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])
export const sameRefs = (a: readonly Ref[], b: readonly Ref[]): boolean =>
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
export class Pass {
  private readonly refs = new Map<number, Ref>()
  private readonly outside = new Map<number, Ref>()
  /** Constants by tfjs's data, which keeps its values: a trace changes nothing outside it. */
  private readonly constants = new Map<object, number>()
  private count = 0
  /** Data of tensors from outside that ops have taken. */
  readonly taken = new Set<object>()
  /** Variables that an op has updated in place; one may have its old value again at the end. */
  readonly updated = new Set<Variable>()

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
    this.recorder?.record(step, this.withSites ? new Error() : undefined) // an op that is refused is no step: what called it may go on
    const index = this.count++
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
    // The binding gives values but not shapes; an Identity gives both.
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
      // Data that a variable took over outlive the tensor.
      if (!node.tensorMap.has(tensor.dataId) || (!this.recorder && tensor.isDisposed))
        throw new TensorError(`an op got a tensor of shape [${tensor.shape.join(', ')}] that was disposed of`)
      const data = node.tensorMap.get(tensor.dataId)
      if (data.values !== null || data.id < firstSymbol) this.taken.add(tensor.dataId)
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
      updateInPlace: (op, variables, ids, attributes) => {
        for (const variable of variables) this.updated.add(variable)
        return this.step({ kind: 'update', op, attributes, inputs: ids.map((id) => this.ref(id)), variables })
      },
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
