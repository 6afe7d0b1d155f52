/** How far a long command is, where there is no terminal: a line now and then. */

const interval = 15_000

/** @returns prints the line that it is given, if the last one was long enough ago */
export function nowAndThen(): (line: () => string) => void {
  let shown = Date.now()
  return (line) => {
    if (Date.now() - shown < interval) return
    shown = Date.now()
    console.log(`  ${line()}`)
  }
}
