/**
 * How a cell's code ends when the person interrupts it. Code that asked for `interruptSignal()` is let come to its end by itself. Other code
 * throws at its next check (checks.ts). What has no checks, a library that does not listen say, goes on: then a line says so.
 */
import { createHook } from 'node:async_hooks'
import { type Run, runOfCaller } from './context'

/** What an interrupted cell throws. */
export class Interrupted extends Error {
  override name = 'Interrupted'
}

/** The run that was interrupted last. */
let current: Run | undefined

/** When its code began to execute last without being stopped. */
let activeAt = 0

/** The checks in a cell's code, cheap until a first cell was interrupted. */
export const interrupts = {
  /** Whether any cell was interrupted: its code may go on much later, in a timer say. */
  pending: false,
  /** Whether a cell is being interrupted now: all that a loop without an `await` asks, in which each nanosecond counts. */
  arriving: false,
  /** Called at each interrupt (signals.ts), also in the midst of a cell's code. */
  arrived: (): void => {},
  /** @param value what was awaited @returns it @throws Interrupted if the code belongs to an interrupted cell */
  check<T>(value?: T): T | undefined {
    const run = interrupts.pending ? runOfCaller() : undefined
    if (!run?.interrupted) return value
    if (run === current) activeAt = 0
    throw new Interrupted('the cell was interrupted')
  },
}

const patience = 500 // ms

const remedy =
  'What it called goes on in the background: code outside cells stops by itself if it listens to interruptSignal(), which `trainer.listen({ signal: interruptSignal() })` does; otherwise restart the kernel.'

/**
 * Ends a run.
 * @param ended whether its code has ended
 * @returns what the cell reports, once its code has ended or half a second has passed
 */
export async function interrupt(run: Run, ended: Promise<unknown>): Promise<Interrupted> {
  run.interrupted = true
  interrupts.pending = true
  interrupts.arriving = true
  current = run
  activeAt = 0
  const hook = createHook({
    before: () => {
      if (runOfCaller() === run) activeAt = performance.now()
    },
  })
  hook.enable()
  const start = performance.now()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), patience)
  })
  const first = await Promise.race([ended.then(() => 'ended' as const), late])
  clearTimeout(timer)
  hook.disable()
  interrupts.arriving = false
  const goesOn = first === 'late' && activeAt > start + patience / 10
  return new Interrupted(`the cell was interrupted${goesOn ? `. ${remedy}` : ''}`)
}
