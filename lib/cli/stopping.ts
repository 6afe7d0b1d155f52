/** How the long commands are stopped: Ctrl-C and SIGTERM let them finish what they write. */

/** Aborted by SIGINT or SIGTERM, which is its reason. The signals stay caught: nothing that is being written is to be cut off. */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => stopping.abort(signal)
  process.on('SIGINT', stop).on('SIGTERM', stop)
  return stopping.signal
}

/** The exit status of a command that was stopped, as shells have it: 130 after Ctrl-C, 143 after SIGTERM. */
export const stoppedStatus = ({ reason }: AbortSignal): number => (reason === 'SIGINT' ? 130 : 143)
