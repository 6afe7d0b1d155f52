/** What watches over a worker from within: a watchdog for collectives that never return, and the version of the code that it runs. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** A checksum of the compiled code, which must be the same in all workers. */
export function codeVersion(folder = join(__dirname, '..')): string {
  const hash = createHash('sha256')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(folder, file)))
  return hash.digest('hex').slice(0, 12)
}
