/**
 * Two traces of one function, made with different stand-in sizes, become one. What is the same in both is constant. What differs depended
 * on data: a constant that equals a size of some tensor in both traces is replaced by that size, taken when the graph runs; anything else
 * would be frozen, and is refused.
 */
import { TraceError } from '../errors'
import { siteOf } from './site'
import type { NodeKind, Ref, Trace, TraceNode } from './trace'

/** A size that is known only when the graph runs: an axis of a tensor. */
export interface SizeOf {
  readonly of: Ref
  readonly axis: number
}

/** A node in the merged trace: as traced, or a constant made from sizes. */
export type ResolvedNode =
  | (NodeKind & { readonly dtypes: readonly number[]; readonly shapes: readonly (readonly number[])[] })
  /** An int32 vector or scalar (float32 scalar) whose entries are numbers or sizes. */
  | { readonly kind: 'sizes'; readonly entries: readonly (number | SizeOf)[]; readonly scalar: boolean; readonly dtype: number }
  /** One number everywhere, in a shape whose entries are numbers or sizes. */
  | { readonly kind: 'fill'; readonly value: ArrayBufferView; readonly dtype: number; readonly dims: readonly (number | SizeOf)[] }

export interface ResolvedTrace {
  readonly nodes: readonly ResolvedNode[]
  readonly outputs: readonly Ref[]
  readonly assignments: Trace['assignments']
}

const refuse = (node: TraceNode, what: string): never => {
  throw new TraceError(`cannot trace ${what}, which depends on data and would be frozen into the graph\n  at ${siteOf(node.site)}`)
}

const same = (a: ArrayBufferView, b: ArrayBufferView): boolean =>
  a.byteLength === b.byteLength &&
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))

/**
 * Merges two traces of one function.
 * @throws TraceError where something depended on data and cannot be expressed
 */
export function resolve(a: Trace, b: Trace): ResolvedTrace {
  // Where each pair of differing sizes is first seen.
  const sizes = new Map<string, SizeOf>()
  const nodes: ResolvedNode[] = []
  for (const [i, nodeA] of a.nodes.entries()) {
    const nodeB = b.nodes[i]
    if (!nodeB || !sameCall(nodeA, nodeB)) refuse(nodeA, 'a decision (which op comes next, or an attribute of it)')
    else nodes.push(nodeA.kind === 'constant' && nodeB.kind === 'constant' ? constant(nodeA, nodeB, sizes) : nodeA)
    for (const [output, shape] of nodeA.shapes.entries())
      for (const [axis, size] of shape.entries()) {
        const other = nodeB?.shapes[output]?.[axis] as number
        const key = `${size},${other}`
        if (size !== other && nodeA.kind !== 'constant' && !sizes.has(key)) sizes.set(key, { of: { node: i, output }, axis })
      }
  }
  if (a.nodes.length !== b.nodes.length) refuse(b.nodes[a.nodes.length] ?? (a.nodes[0] as TraceNode), 'a decision (how many ops there are)')
  return { nodes, outputs: a.outputs, assignments: a.assignments }
}

function sameCall(a: TraceNode, b: TraceNode): boolean {
  if (a.kind !== b.kind || a.dtypes.join() !== b.dtypes.join()) return false
  const inputs = (node: TraceNode): string =>
    node.kind === 'op' || node.kind === 'adam' ? node.inputs.map(({ node, output }) => `${node}:${output}`).join() : ''
  if (inputs(a) !== inputs(b)) return false
  if (a.kind === 'op' && b.kind === 'op') return a.op === b.op && JSON.stringify(a.attributes) === JSON.stringify(b.attributes)
  return true
}

type ConstantNode = TraceNode & { readonly kind: 'constant' }

function constant(a: ConstantNode, b: ConstantNode, sizes: ReadonlyMap<string, SizeOf>): ResolvedNode {
  const [shapeA = [], shapeB = []] = [a.shapes[0], b.shapes[0]]
  const sameShape = shapeA.join() === shapeB.join()
  if (sameShape && same(a.values, b.values)) return a
  const entry = (x: number, y: number): number | SizeOf => {
    if (x === y) return x
    return sizes.get(`${x},${y}`) ?? refuse(a, `a number (${x} in one trace, ${y} in another)`)
  }
  const dtype = a.dtypes[0] as number
  if (sameShape && shapeA.length <= 1 && (dtype === 3 || (dtype === 1 && shapeA.length === 0))) {
    const other = numbers(b)
    return { kind: 'sizes', dtype, scalar: shapeA.length === 0, entries: numbers(a).map((x, i) => entry(x, other[i] as number)) }
  }
  const uniform = (node: ConstantNode): number | undefined => {
    const all = numbers(node)
    return all.every((x) => Object.is(x, all[0])) ? all[0] : undefined
  }
  const value = uniform(a)
  if (value === undefined || !Object.is(value, uniform(b))) return refuse(a, `a constant of shape [${shapeA.join(', ')}]`)
  const one = numbers(a).length > 0 ? (a.values as Float32Array).slice(0, 1) : a.values
  return { kind: 'fill', value: one, dtype, dims: shapeA.map((size, axis) => entry(size, shapeB[axis] as number)) }
}

const numbers = (node: ConstantNode): number[] => Array.from(node.values as Float32Array)
