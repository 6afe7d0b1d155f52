/**
 * Jupyter's interrupt, a SIGINT, also while a cell computes without a pause. Node calls a listener of a signal only between two turns, so a
 * thread of its own notices the signal (`breakOnSigint` ends its waiting) and has the main thread call `arrived` in the midst of what it
 * executes, as a debugger would (inspector). A cell's synchronous first part is ended by its own `breakOnSigint`, before this thread knows.
 */
import { Session } from 'node:inspector'
import { join } from 'node:path'
import { runInThisContext } from 'node:vm'
import { isMainThread, Worker } from 'node:worker_threads'
import { checkName } from './checks'

/** A signal that arrives while one is being handled ends the waiting of the level below; without any, it would end the process. */
const levels = 8

const levelName = '__makemoeLevel'
const cellName = '__makemoeNever'

/** Starts the thread; `arrived` of the checks is called at each interrupt. No listener of SIGINT may be added: Node would take it back. */
export function noticeInterrupts(): void {
  new Worker(join(__dirname, 'signals.js'), { resourceLimits: { maxOldGenerationSizeMb: 16 } }).unref()
}

function callMainThread(): void {
  const session = new Session()
  session.connectToMainThread()
  session.post('Runtime.evaluate', { expression: `${checkName}.arrived()` })
  session.disconnect()
}

/** Waits for signals for ever, on several levels. */
function wait(level: number): void {
  const next = level === 0 ? `Atomics.wait(${cellName}, 0, 0)` : `${levelName}(${level - 1})`
  for (;;) {
    try {
      runInThisContext(next, { breakOnSigint: true })
    } catch {
      callMainThread()
    }
  }
}

if (!isMainThread) {
  Object.assign(globalThis, { [levelName]: wait, [cellName]: new Int32Array(new SharedArrayBuffer(4)) })
  wait(levels)
}
