/**
 * Trackers keep what a run learns about itself. Here: none, and JSON lines in the run's folder.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Takes metrics as they come. */
export interface Tracker {
  log(metric: Readonly<Record<string, number>>): void
  close(): void
}

/** Keeps nothing. */
export const noTracker: Tracker = { log: () => {}, close: () => {} }

/** One JSON object a line; every line is on its way to the disk when `log` returns. */
export class JsonLinesTracker implements Tracker {
  private readonly descriptor: number

  constructor(file: string) {
    mkdirSync(dirname(file), { recursive: true })
    this.descriptor = openSync(file, 'w')
  }

  log(metric: Readonly<Record<string, number>>): void {
    writeSync(this.descriptor, `${JSON.stringify(metric)}\n`)
  }

  close(): void {
    closeSync(this.descriptor)
  }
}
