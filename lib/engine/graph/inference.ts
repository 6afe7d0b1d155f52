/**
 * Shapes of an op's results when sizes of its inputs depend on data: TensorFlow's own inference, asked with numbers.
 *
 * The op is put into three scratch graphs, with three primes for each unknown. A size of the result that is the same in all three is known;
 * one that is c * (a size of the inputs, or an unknown in it) + d in all three is that; of others nothing is known. Experts are alike: what was found for
 * one is kept for the others.
 */
import { at, messageOf, valueAt } from '../../base/assertions'
import { GraphBuilder } from '../tensorflow/graph-builder'
import type { OpAttribute } from '../tensorflow/types'
import { type DataSize, isKnown, primeAbove, type Size, type Sizes } from './sizes'

/** An input of an op: its type and shape; of constants that may be a shape, their numbers too. */
export interface Operand {
  readonly dtype: number
  readonly dims: readonly Size[]
  readonly numbers?: readonly Size[] | undefined
}

/** A size of a result: a number, factor * (size of an input) + offset, or unknown. */
type Finding = number | { readonly of: number; readonly factor: number; readonly offset: number } | undefined

export const attributesKey = (attributes: readonly OpAttribute[]): string => attributes.map(({ name, value }) => `${name}=${value}`).join()

/** The i-th of the primes that take the place of unknowns. */
const primes: number[] = []
function prime(i: number): number {
  while (primes.length <= i) primes.push(primeAbove(primes.at(-1) ?? 1000))
  return at(primes, i)
}

/** Infers shapes for one trace. */
export class Inference {
  private readonly found = new Map<string, Finding[][]>()

  constructor(private readonly sizes: Sizes) {}

  /**
   * The shapes of an op's results; undefined: not known before the op runs.
   * @throws Error with TensorFlow's message if the shapes do not fit
   */
  shapes(op: string, attributes: readonly OpAttribute[], operands: readonly Operand[], outputs: number): (Size | undefined)[][] {
    const locals = new Map<object, number>()
    const forms = new Set<DataSize>()
    const describe = (size: Size): string => {
      if (isKnown(size)) return `${size}`
      forms.add(size)
      const terms = [...size.terms].map(([unknown, coefficient]) => {
        if (!locals.has(unknown)) locals.set(unknown, locals.size)
        if (unknown.size) forms.add(unknown.size)
        return `${coefficient}*${locals.get(unknown)}`
      })
      return `(${terms}+${size.constant})`
    }
    const described = operands.map(({ dtype, dims, numbers }) => `${dtype}[${dims.map(describe)}]${numbers?.map(describe) ?? ''}`)
    const key = `${op}|${attributesKey(attributes)}|${described.join('|')}`
    let findings = this.found.get(key)
    if (!findings) {
      findings = this.find(op, attributes, operands, outputs, locals, [...forms])
      this.found.set(key, findings)
    }
    const all = [...forms]
    const sizeOf = (finding: Finding): Size | undefined =>
      typeof finding === 'object' ? this.sizes.scaled(at(all, finding.of), finding.factor, finding.offset) : finding
    return findings.map((shape) => shape.map(sizeOf))
  }

  private find(
    op: string,
    attributes: readonly OpAttribute[],
    operands: readonly Operand[],
    outputs: number,
    locals: ReadonlyMap<object, number>,
    forms: readonly DataSize[],
  ): Finding[][] {
    const values = [0, 1, 2].map((point) => (size: Size): number => {
      if (isKnown(size)) return size
      const terms = [...size.terms].map(([unknown, coefficient]) => coefficient * prime(3 * valueAt(locals, unknown) + point))
      return terms.reduce((sum, term) => sum + term, size.constant)
    })
    const shapes = values.map((value) => {
      try {
        return inferred(op, attributes, operands, outputs, value)
      } catch (error) {
        const name = (digits: string): string => forms.find((form) => value(form) === Number(digits))?.name ?? digits
        throw new Error(messageOf(error).replaceAll(/\d+/g, name))
      }
    })
    return at(shapes, 0).map((shape, output) =>
      shape.map((_, axis) => {
        const seen = shapes.map((each) => at(at(each, output), axis))
        return finding(
          seen,
          forms.map((form) => values.map((value) => value(form))),
        )
      }),
    )
  }
}

function finding([n0, n1, n2]: readonly number[], forms: readonly (readonly number[])[]): Finding {
  if (n0 === undefined || n1 === undefined || n0 < 0) return undefined
  if (n0 === n1 && n1 === n2) return n0
  for (const [of, form] of forms.entries()) {
    const [f0, f1, f2] = [at(form, 0), at(form, 1), at(form, 2)]
    const factor = (n1 - n0) / (f1 - f0)
    const offset = n0 - factor * f0
    if (Number.isInteger(factor) && factor > 0 && n2 === factor * f2 + offset) return { of, factor, offset }
  }
  return undefined
}

/** What TensorFlow says of an op on inputs of given sizes. */
function inferred(
  op: string,
  attributes: readonly OpAttribute[],
  operands: readonly Operand[],
  outputs: number,
  value: (size: Size) => number,
): number[][] {
  const builder = new GraphBuilder()
  try {
    const inputs = operands.map(({ dtype, dims, numbers }) => {
      const shape = dims.map(value)
      if (!numbers) return builder.placeholder(dtype, shape)
      const values = dtype === 3 ? Int32Array.from(numbers, value) : Float32Array.from(numbers, value)
      return builder.constant({ dtype, shape, values })
    })
    const oper = builder.add(op, inputs, attributes).pointer
    return Array.from({ length: outputs }, (_, index) => builder.shape({ oper, index }) ?? [])
  } finally {
    builder.dispose()
  }
}
