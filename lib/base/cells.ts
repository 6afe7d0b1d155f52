/**
 * A notebook's cells as code that runs: which line of which cell a place in a script is. The kernel keeps them (notebook/kernel); whoever
 * names a line of a person's code asks here. Outside a kernel there are none.
 */

/** A line of a cell. */
export interface CellLine {
  /** The number in brackets beside the cell. */
  readonly cell: number
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly text: string
}

/** A place in the script of a cell, counted from 1, as a line of the cell; undefined if no line of the cell stands behind it. */
export type LineOf = (line: number, column: number) => CellLine | undefined

interface WithCells {
  makemoeCells?: Map<string, LineOf>
}

const shared = globalThis as WithCells

/** The kernel calls this before a cell runs. @param script the name under which it runs */
export function keepCell(script: string, lineOf: LineOf): void {
  shared.makemoeCells ??= new Map()
  shared.makemoeCells.set(script, lineOf)
}

/** The line of a cell at a place in a script; undefined if the script is no cell. */
export function cellLine(script: string | null | undefined, line: number | null, column: number | null): CellLine | undefined {
  return shared.makemoeCells?.get(script ?? '')?.(line ?? 1, column ?? 1)
}

/** `cell [3], line 5` */
export const describeLine = ({ cell, line }: CellLine): string => `cell [${cell}], line ${line}`
