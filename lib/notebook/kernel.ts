/**
 * The TypeScript kernel of the notebooks, started by Jupyter with the path of a connection file: tslab's sockets and type checks, and our own
 * way to run cells (kernel/).
 */
import { hideInPromises, outside, runOrLast, within } from './kernel/context'
import { Executor } from './kernel/executor'
import { Interrupted, interrupts } from './kernel/interrupts'
import { endWithParent } from './kernel/parent'
import { describeStacks } from './kernel/places'
import { captureOutput, Server } from './kernel/server'
import { noticeInterrupts } from './kernel/signals'

endWithParent()
describeStacks()
hideInPromises()
const executor = new Executor(process.cwd())
const server = new Server(executor, process.argv[2] ?? '')

interrupts.arrived = () =>
  outside(() => {
    const cell = server.run?.cell
    if (cell?.listens && !cell.controller.signal.aborted) cell.controller.abort()
    else executor.interrupt()
  })
noticeInterrupts()

/** An error in code that a cell left behind. */
function inBackground(error: unknown): void {
  if (error instanceof Interrupted) return
  const run = runOrLast()
  if (!run) throw error
  const { traceback } = executor.report(error, run.number)
  within(run, () => console.error(`in the background, ${traceback.join('\n')}`))
}
process.on('uncaughtException', inBackground)
process.on('unhandledRejection', inBackground)

captureOutput()
void server.init()
