/**
 * Sizes that depend on data, as linear forms over unknowns: n1, n1 + n2 + 1, 4 n1.
 *
 * tfjs wants numbers in its shapes, so each unknown has a probe size for each of the two passes of a trace: a prime larger than any size
 * that is known, then 2, so that whatever compares, rounds or halves a size becomes another number. A form's probe size follows from
 * those, with one exception: the pieces of a split or a partition add up to what was divided, however small that is, so a sum of all of
 * them is replaced by it.
 */
import { valueAt } from '../../base/assertions'

/** A number, or a size that depends on data. */
export type Size = number | DataSize

/** What sizes that depend on data are made of. */
interface Unknown {
  readonly index: number
  readonly probes: Probes
  /** Itself as a form. */
  size?: DataSize
  /** The pieces that it is one of, and what they add up to. */
  division?: { readonly pieces: readonly Unknown[]; readonly whole: Size }
}

/** A probe size for each pass. */
type Probes = readonly [number, number]

/** constant + sum of coefficient * unknown. There is one object for each form. */
export class DataSize {
  constructor(
    readonly terms: ReadonlyMap<Unknown, number>,
    readonly constant: number,
    readonly probes: Probes,
  ) {}

  /** For messages and prints: `n1`, `2 n1 + 1`, `n1 + ... + n8`. */
  get name(): string {
    const terms = [...this.terms].map(([{ index }, coefficient]) => `${coefficient === 1 ? '' : `${coefficient} `}n${index}`)
    const shown = terms.length > 3 ? [terms[0], '...', terms.at(-1)] : terms
    return [...shown, ...(this.constant === 0 ? [] : [this.constant])].join(' + ')
  }
}

export const isKnown = (size: Size): size is number => typeof size === 'number'
/** A size as tfjs sees it in one of the two passes. */
export const probeOf = (size: Size, pass: 0 | 1): number => (typeof size === 'number' ? size : size.probes[pass])
/** A shape for messages and prints. */
export const shapeName = (dims: readonly Size[]): string => `[${dims.map((size) => (isKnown(size) ? size : size.name)).join(', ')}]`

/** The smallest prime above a number. */
export function primeAbove(number: number): number {
  for (let candidate = number + 1; ; candidate++) {
    let divisor = 2
    while (divisor * divisor <= candidate && candidate % divisor !== 0) divisor++
    if (divisor * divisor > candidate) return candidate
  }
}

/** The sizes of one trace. */
export class Sizes {
  private readonly unknowns = new Map<string, readonly DataSize[]>()
  private readonly forms = new Map<string, DataSize>()
  private readonly byProbe = new Map<number, DataSize>()
  private count = 0
  private last: number

  /** @param known no size that is known may be a multiple of a prime above it */
  constructor(private readonly known: number) {
    this.last = known
  }

  /**
   * Sizes that are known only when the graph runs.
   * @param source what they follow from: the same source gives the same sizes
   * @param count how many
   * @param whole what they add up to, if they are pieces
   */
  unknown(source: string, count: number, whole?: Size): readonly Size[] {
    if (whole !== undefined && count === 1) return [whole]
    const found = this.unknowns.get(source)
    if (found) return found
    const pieces: Unknown[] = Array.from({ length: count }, () => {
      const first = primeAbove(this.last)
      this.last = first
      return { index: ++this.count, probes: [first, 2] }
    })
    if (whole !== undefined) for (const piece of pieces) piece.division = { pieces, whole }
    const sizes = pieces.map((piece) => {
      piece.size = this.dataSize(new Map([[piece, 1]]), 0)
      return piece.size
    })
    this.unknowns.set(source, sizes)
    return sizes
  }

  /** factor * size + offset */
  scaled(size: Size, factor: number, offset: number): Size {
    return this.sum([[size, factor]], offset)
  }

  /** The sum of factor * size, plus an offset. */
  sum(parts: readonly (readonly [size: Size, factor: number])[], offset = 0): Size {
    const terms = new Map<Unknown, number>()
    let constant = offset
    const add = (size: Size, factor: number): void => {
      if (isKnown(size)) constant += factor * size
      else {
        constant += factor * size.constant
        for (const [unknown, coefficient] of size.terms) terms.set(unknown, (terms.get(unknown) ?? 0) + factor * coefficient)
      }
    }
    for (const [size, factor] of parts) add(size, factor)
    // The pieces add up to the whole, which may be a piece itself.
    for (let again = true; again; ) {
      again = false
      for (const division of new Set([...terms.keys()].map((unknown) => unknown.division))) {
        const times = division ? Math.min(...division.pieces.map((piece) => terms.get(piece) ?? 0)) : 0
        if (!division || times <= 0) continue
        for (const piece of division.pieces) {
          const left = valueAt(terms, piece) - times
          if (left > 0) terms.set(piece, left)
          else terms.delete(piece)
        }
        add(division.whole, times)
        again = true
      }
    }
    return this.form(terms, constant)
  }

  private form(terms: ReadonlyMap<Unknown, number>, constant: number): Size {
    return terms.size === 0 ? constant : this.dataSize(terms, constant)
  }

  private dataSize(terms: ReadonlyMap<Unknown, number>, constant: number): DataSize {
    const sorted = [...terms].sort(([a], [b]) => a.index - b.index)
    const key = `${sorted.map(([{ index }, coefficient]) => `${index}*${coefficient}`)}+${constant}`
    const known = this.forms.get(key)
    if (known) return known
    const probe = (pass: 0 | 1): number => sorted.reduce((sum, [{ probes }, coefficient]) => sum + coefficient * probes[pass], constant)
    const form = new DataSize(new Map(sorted), constant, [probe(0), probe(1)])
    this.forms.set(key, form)
    if (!this.byProbe.has(form.probes[0])) this.byProbe.set(form.probes[0], form)
    return form
  }

  /** What a number of the first pass stands for: itself, a size, or a multiple of one. */
  of(number: number): Size {
    if (number <= this.known || !Number.isInteger(number)) return number
    const found = this.byProbe.get(number)
    if (found) return found
    for (const [probe, form] of this.byProbe) if (number > probe && number % probe === 0) return this.scaled(form, number / probe, 0)
    return number
  }
}
