/** A command in this process: one load of TensorFlow for many commands. That it does the same as a process is in commands.slow.test.ts. */
import { main } from 'makemoe/dist/cli/main'
import { vi } from 'vitest'

export interface Ended {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** @returns what takes back who listens to this process from now on, as the end of a process would */
function listening(): () => void {
  const places = [
    ...['SIGINT', 'SIGTERM', 'SIGHUP'].map((event) => [process, event]),
    ...[process.stdout, process.stderr].map((stream) => [stream, 'error']),
  ]
  const before = (places as [NodeJS.EventEmitter, string][]).map(([emitter, event]) => ({
    emitter,
    event,
    known: emitter.listeners(event),
  }))
  return () => {
    for (const { emitter, event, known } of before)
      for (const listener of emitter.listeners(event)) if (!known.includes(listener)) emitter.removeListener(event, listener as () => void)
  }
}

/** @returns what runs a command from a folder, one at a time */
export function commandIn(folder: string): (...args: string[]) => Promise<Ended> {
  return async (...args) => {
    const printed = { stdout: '', stderr: '' }
    const spies = (['stdout', 'stderr'] as const).flatMap((name) => [
      vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
        printed[name] += chunk
        return true
      }),
      vi.spyOn(console, name === 'stdout' ? 'log' : 'error').mockImplementation((...[line = '']: unknown[]) => {
        printed[name] += `${line}\n`
      }),
    ])
    const { exitCode } = process
    const from = process.cwd()
    const forget = listening()
    try {
      process.exitCode = undefined
      process.chdir(folder)
      return { status: await main(args), ...printed }
    } finally {
      for (const spy of spies) spy.mockRestore()
      process.chdir(from)
      forget()
      process.exitCode = exitCode
    }
  }
}
