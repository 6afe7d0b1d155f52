/** What watches over a worker from within: a watchdog for collectives that never return. */
import { Worker } from 'node:worker_threads'

/**
 * A collective that waits for ever blocks the process's own thread; so another thread looks whether steps are still made, and ends the
 * process if none was for MAKEMOE_WATCHDOG seconds (default 300: an evaluation or a trace may take long).
 */
export function startWatchdog(seconds = Number(process.env.MAKEMOE_WATCHDOG ?? 300)): { pulse(): void; stop(): void } {
  const pulses = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { workerData: { pulses, seconds, pid } } = require('node:worker_threads')
    let [last, since] = [0, Date.now()]
    setInterval(() => {
      const now = Atomics.load(pulses, 0)
      if (now !== last) [last, since] = [now, Date.now()]
      if (Date.now() - since < 1000 * seconds) return
      require('node:fs').writeSync(2, 'makemoe: no step was made for ' + seconds + ' s: the workers wait for each other; this one ends\\n')
      process.kill(pid, 'SIGKILL')
    }, 500)`
  const thread = new Worker(code, { eval: true, workerData: { pulses, seconds, pid: process.pid } })
  thread.unref()
  return { pulse: () => void Atomics.add(pulses, 0, 1), stop: () => void thread.terminate() }
}
