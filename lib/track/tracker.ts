/**
 * Trackers keep what a run learns about itself: none, JSON lines in the run's folder, and MLflow (mlflow.ts), which sends those lines on.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** How a run ended, in MLflow's words. */
export type RunStatus = 'FINISHED' | 'FAILED' | 'KILLED'

/** Numbers by name. */
export type Metrics = Readonly<Record<string, number | undefined>>

/** Takes metrics as they come. */
export interface Tracker {
  log(metric: Metrics): void
  /** Ends the run. */
  close(status?: RunStatus): Promise<void>
}

/** Keeps nothing. */
export const noTracker: Tracker = { log: () => {}, close: async () => {} }

/** Evaluations and steps have lines of their own, at most one each for a step. */
const kindOf = (metric: Metrics): string => `${metric.step}/${'val_loss' in metric ? 'evaluation' : 'step'}`

/**
 * One JSON object a line, with the time in milliseconds since 1970; every line is on its way to the disk when `log` returns. A run that goes
 * on after a break computes some steps again, to the same numbers: what is there already is not written twice.
 */
export class JsonLinesTracker implements Tracker {
  private readonly descriptor: number
  private readonly there = new Set<string>()

  constructor(readonly file: string) {
    mkdirSync(dirname(file), { recursive: true })
    if (existsSync(file)) this.mend()
    this.descriptor = openSync(file, 'a')
  }

  /** Cuts off a last line that a killed process left unfinished, and notes what is there. */
  private mend(): void {
    const text = readFileSync(this.file, 'utf8')
    const end = text.lastIndexOf('\n') + 1
    if (end < text.length) truncateSync(this.file, Buffer.byteLength(text.slice(0, end)))
    for (const line of text.slice(0, end).split('\n')) if (line !== '') this.there.add(kindOf(JSON.parse(line) as Metrics))
  }

  log(metric: Metrics): void {
    if (this.there.has(kindOf(metric))) return
    writeSync(this.descriptor, `${JSON.stringify({ ...metric, time: Date.now() })}\n`)
  }

  async close(): Promise<void> {
    closeSync(this.descriptor)
  }
}
