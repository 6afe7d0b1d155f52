/** Which run of a cell the code that executes belongs to: also timers and promises that the cell left behind, while other cells run. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type InspectOptions, inspect } from 'node:util'
import type { RunningCell } from '../../base/interrupt'
import type { Output } from './output'

/** One run of a cell. */
export interface Run {
  /** The cell's number. */
  readonly number: number
  readonly output: Output
  readonly cell: RunningCell
  /** Set when it was interrupted: its code throws wherever it goes on. */
  interrupted: boolean
}

const storage = new AsyncLocalStorage<Run | undefined>()

let last: Run | undefined

/** The run that the code which executes belongs to. */
export const runOfCaller = (): Run | undefined => storage.getStore()

/** The same, or the run that began last where that is not known. */
export const runOrLast = (): Run | undefined => storage.getStore() ?? last

/**
 * Node notes the run in every promise, where `console.log(promise)` would show it.
 * @param from symbols of Node's that are for nobody to see
 */
export function hideInPromises(from: readonly string[] = ['async_id_symbol', 'trigger_async_id_symbol', 'kResourceStore']): void {
  const custom = {
    configurable: true,
    value(this: Promise<unknown>, _depth: number, options: InspectOptions): string {
      for (const symbol of Object.getOwnPropertySymbols(this))
        if (from.includes(symbol.description ?? '')) Object.defineProperty(this, symbol, { enumerable: false })
      Object.defineProperty(this, inspect.custom, { configurable: true, value: undefined }) // Node's own way, this time
      const text = inspect(this, options)
      Reflect.deleteProperty(this, inspect.custom)
      return text
    },
  }
  Object.defineProperty(Promise.prototype, inspect.custom, custom)
}

/** Executes as part of no run. */
export const outside = <T>(execute: () => T): T => storage.run(undefined, execute)

/** Executes as part of a run. */
export function within<T>(run: Run, execute: () => T): T {
  last = run
  return storage.run(run, execute)
}
