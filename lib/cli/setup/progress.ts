/**
 * How far a setup step is: on a terminal one line that keeps changing (a bar and what it counts, or the seconds alone), elsewhere a plain
 * line after the first second and every 15 seconds.
 */
import { Format, SingleBar } from 'cli-progress'

/** A step reports how far it is: what it does, and, if that can be counted, how many of how many. */
export type Report = (doing: string, count?: { readonly done: number; readonly total: number; readonly unit: string }) => void

const barWidth = 24
const bar = (share: number): string =>
  Format.BarFormat(Math.min(share, 1), {
    barsize: barWidth,
    barCompleteString: '█'.repeat(barWidth),
    barIncompleteString: '░'.repeat(barWidth),
    barGlue: '',
  })

/**
 * Runs a step and shows how far it is.
 * @param say takes the plain lines
 * @param terminal where the changing line goes, if it is one
 */
export async function withProgress<T>(
  name: string,
  work: (report: Report) => Promise<T>,
  log: (line: string) => void,
  terminal: NodeJS.WriteStream = process.stderr,
): Promise<T> {
  const start = Date.now()
  let doing = ''
  let share: number | undefined
  const report: Report = (what, count) => {
    doing = count ? `${what} ${Math.min(Math.round(count.done), count.total)} of ${count.total} ${count.unit}` : what
    share = count && count.done / count.total
  }
  const line = (): string => `${doing}${doing && ', '}${Math.round((Date.now() - start) / 1000)} s`
  let stop: () => void
  if (terminal.isTTY) {
    const format = (_options: unknown, { maxWidth }: { maxWidth: number }): string =>
      `${name} ${share === undefined ? '' : `${bar(share)} `}${line()}`.slice(0, maxWidth - 1)
    const display = new SingleBar({ format, stream: terminal, clearOnComplete: true, linewrap: true, gracefulExit: false, fps: 5 })
    display.start(1, 0)
    stop = () => display.stop()
  } else {
    const print = (): void => log(`${name}: ${doing || 'working'} ... (${Math.round((Date.now() - start) / 1000)} s)`)
    const first = setTimeout(print, 1000)
    const next = setInterval(print, 15_000)
    stop = () => {
      clearTimeout(first)
      clearInterval(next)
    }
  }
  try {
    return await work(report)
  } finally {
    stop()
  }
}
