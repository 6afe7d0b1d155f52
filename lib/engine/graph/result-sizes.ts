/** Sizes of an op's results where some depend on data: from constants among its inputs, from TensorFlow's inference, else unknown. */
import { at } from '../../base/assertions'
import { attributesKey, type Inference, type Operand } from './inference'
import { isKnown, type Size, type Sizes, shapeName } from './sizes'
import type { OpStep } from './step'

/** Ops whose results' sizes follow from the numbers in these inputs; of their other inputs the shape alone counts. */
const sizedBy: Readonly<Record<string, readonly number[]>> = {
  SplitV: [1],
  DynamicPartition: [1],
  Slice: [1, 2],
  Fill: [0],
  BroadcastTo: [1],
}

/**
 * The sizes of an op's results.
 * @param identity a name of an input that no other tensor has; equal short constants have the same
 * @param inferred what TensorFlow knows, -1 where it knows nothing
 */
export function resultSizes(
  sizes: Sizes,
  inference: Inference,
  { op, attributes }: Pick<OpStep, 'op' | 'attributes'>,
  operands: readonly Operand[],
  identity: (input: number) => string,
  inferred: readonly number[][],
): Size[][] {
  /** The number in a constant input that names an axis. */
  const axis = (input: number): number => {
    const number = operands[input]?.numbers?.[0]
    if (typeof number !== 'number') throw new Error('an axis that is no constant')
    return number < 0 ? number + at(operands, 0).dims.length : number
  }
  if (op === 'SplitV') {
    const [{ dims: whole }, { numbers: pieces }] = [at(operands, 0), at(operands, 1)]
    if (pieces && !pieces.every(isKnown))
      return inferred.map((shape, i) => shape.map((_, along) => (along === axis(2) ? at(pieces, i) : at(whole, along))))
  }
  const found = inference.shapes(op, attributes, operands, inferred.length)
  if (op === 'ConcatV2') {
    const joined = axis(operands.length - 1)
    at(found, 0)[joined] = sizes.sum(operands.slice(0, -1).map(({ dims }) => [at(dims, joined), 1]))
  }
  const decisive = sizedBy[op]
  const follows = operands.map(({ dims }, i) => (!decisive || decisive.includes(i) ? identity(i) : shapeName(dims)))
  const source = `${op}/${attributesKey(attributes)}/${follows.join('/')}`
  const divided = division(op, operands, axis)
  return inferred.map((shape, output) =>
    shape.map((size, along) => {
      if (size >= 0) return size
      const known = found[output]?.[along]
      if (known !== undefined) return known
      if (divided?.axis === along) return at(sizes.unknown(source, inferred.length, divided.whole), output)
      return at(sizes.unknown(`${source}/${output}/${along}`, 1), 0)
    }),
  )
}

/** What the results of an op add up to along an axis. */
function division(op: string, operands: readonly Operand[], axis: (input: number) => number): { axis: number; whole: Size } | undefined {
  if (op === 'SplitV') return { axis: axis(2), whole: at(at(operands, 0).dims, axis(2)) }
  if (op === 'DynamicPartition' && operands[1]?.dims.length === 1) return { axis: 0, whole: at(operands[1].dims, 0) }
  return undefined
}
