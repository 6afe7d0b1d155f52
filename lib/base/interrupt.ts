/**
 * How a long computation in a cell learns that the person pressed interrupt. The kernel (cli/kernel.ts) keeps one controller for the cell
 * that runs; whoever asks for its signal promises to end soon after it fires, and the kernel lets the cell come to its end.
 */

/** The running cell, as the kernel and the code in the cell know it. */
export interface RunningCell {
  readonly controller: AbortController
  /** Whether code in the cell listens to the signal. */
  listens: boolean
}

interface WithCell {
  makemoeCell?: RunningCell
}

const shared = globalThis as WithCell

/** The kernel calls this when a cell starts. */
export function startCell(): RunningCell {
  shared.makemoeCell = { controller: new AbortController(), listens: false }
  return shared.makemoeCell
}

/** The kernel calls this when the cell has ended. */
export function endCell(): void {
  delete shared.makemoeCell
}

/**
 * A signal that fires when the person interrupts the kernel; ask for it in the cell that runs the computation. Outside a cell it never
 * fires: a command has its own way to stop.
 */
export function interruptSignal(): AbortSignal {
  const cell = shared.makemoeCell
  if (!cell) return new AbortController().signal
  cell.listens = true
  return cell.controller.signal
}
