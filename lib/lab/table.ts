/** Tables of text: columns of equal width, numbers, differences. */
import { codePointCount } from '../base/characters'
import type { PairedDifference } from './statistics'

/** A difference from a baseline; none in the baseline's own row. */
interface DescribedDifference {
  readonly difference?: PairedDifference
  /** Whether every loss is the baseline's to the last bit. */
  readonly identical: boolean
}

/** A number with a number of digits behind the point, or a dash. */
export const digits = (value: number, count: number): string => (Number.isFinite(value) ? value.toFixed(count) : '-')
const signed = (value: number): string => `${value < 0 ? '' : '+'}${digits(value, 4)}`

/** A difference and its standard error. */
export function describeDifference({ difference, identical }: DescribedDifference): string {
  if (!difference) return ''
  return identical ? 'identical' : `${signed(difference.mean)} ± ${digits(difference.standardError, 4)}`
}

const space = (cell: string, width = 0): string => ' '.repeat(width - codePointCount(cell))

/** Columns of equal width: the first to the left, the others to the right. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => codePointCount(line[column] ?? ''))))
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell + space(cell, widths[i]) : space(cell, widths[i]) + cell)).join('  '))
    .join('\n')
}

/** A learning rate in three digits. */
export const describeRate = (rate: number): string => String(Number(rate.toPrecision(3)))
