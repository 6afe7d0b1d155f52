/**
 * The tie to the process that started the kernel: if Jupyter is gone without a word, the kernel ends within a second, whatever it computes.
 * So the watch is a thread of its own.
 */
import { join } from 'node:path'
import { isMainThread, Worker } from 'node:worker_threads'

const intervalMs = 1000

/** Whether a process exists, if only somebody else's. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Ends this process when its parent, or the Jupyter that its environment names, has ended. */
function watch(): void {
  const parent = process.ppid
  const jupyter = Number(process.env.JPY_PARENT_PID)
  const named = Number.isInteger(jupyter) && jupyter > 1 && exists(jupyter) ? jupyter : undefined
  setInterval(() => {
    // The parent's number changes when another process adopts this one.
    if (process.ppid !== parent || (named !== undefined && !exists(named))) process.kill(process.pid, 'SIGKILL')
  }, intervalMs)
}

/** Starts the watch. */
export function endWithParent(): void {
  new Worker(join(__dirname, 'parent.js'), { resourceLimits: { maxOldGenerationSizeMb: 16 } }).unref()
}

if (!isMainThread) watch()
