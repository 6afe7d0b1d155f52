/** Progress of a long command: a line in place on a terminal; elsewhere a line now and then. */

const interval = 15_000

/** @returns prints the line that it is given, if the last one was long enough ago */
export function throttledLog(): (line: () => string) => void {
  let shown = Date.now()
  return (line) => {
    if (Date.now() - shown < interval) return
    shown = Date.now()
    console.log(`  ${line()}`)
  }
}

/** A line on stderr that is replaced in place; nothing where stderr is not a terminal. */
export const lineInPlace = {
  isShown: process.stderr.isTTY,
  show: (text: string): void => void (process.stderr.isTTY && process.stderr.write(`\r${text}\x1b[K`)),
  clear: (): void => void (process.stderr.isTTY && process.stderr.write('\r\x1b[K')),
}
