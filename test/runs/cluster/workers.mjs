// The workers of a run that are there now.
import { readdirSync, readFileSync } from 'node:fs'

/** Their processes, by the number of the worker: those whose command lines name the run's folder. */
export function workersOf(run) {
  const found = new Map()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      const worker = Number(line[line.indexOf('--worker') + 1])
      if (line.includes(run) && line.includes('--worker') && !found.has(worker)) found.set(worker, Number(pid))
    } catch {} // it has ended
  }
  return found
}
