/** How the long commands are stopped: Ctrl-C, SIGTERM and SIGHUP (a closed terminal) let them finish what they write. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isatty } from 'node:tty'

/** Signals that stop a command, and its exit status then, as shells have it. */
const statuses = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** The exit statuses of commands that were stopped. */
export const stoppedStatuses: readonly number[] = Object.values(statuses)

/** Whether the process had a terminal when it began to listen: one that is closed is no terminal any more. */
let hadTerminal = false

/**
 * Aborted by SIGINT, SIGTERM or SIGHUP, which is its reason. The signals stay caught: nothing that is being written is to be cut off.
 */
export function stopSignal(): AbortSignal {
  hadTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor))
  const stopping = new AbortController()
  for (const signal of Object.keys(statuses)) process.on(signal, () => stopping.abort(signal))
  return stopping.signal
}

/** The exit status of a command that was stopped. */
export const stoppedStatus = ({ reason }: AbortSignal): number => statuses[reason as keyof typeof statuses] ?? 130

/**
 * Ends the process by SIGHUP itself, if that stopped a command whose terminal was closed: Node's own exit aborts, since it cannot give the
 * terminal its mode back.
 */
export function endWithoutTerminal(status: number): void {
  if (status !== statuses.SIGHUP || !hadTerminal) return
  process.removeAllListeners('SIGHUP')
  process.kill(process.pid, 'SIGHUP')
}

/** Whether the command was stopped by now; a signal that came while the process computed is heard first. */
export async function isStopped(signal: AbortSignal): Promise<boolean> {
  await nextTurn()
  return signal.aborted
}
