/** How the commands make functions fast: compiled, and saying so; or left eager. */
import { compile } from '../engine/graph/compile'

/** Leaves a function as it is, or compiles it and says when and how long it traces. */
export function compiler(
  eager: boolean | undefined,
  log: (line: string) => void,
): <Args extends unknown[], R>(fn: (...args: Args) => R) => (...args: Args) => R {
  if (eager) return (fn) => fn
  return (fn) =>
    compile(fn, {
      onTrace: ({ done, milliseconds, operations }) => {
        if (done) log(`graph: ${operations} operations, traced in ${(milliseconds / 1000).toFixed(1)} s`)
        else log('graph: tracing ...')
      },
    })
}
