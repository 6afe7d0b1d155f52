/** JSON lines: `metrics.jsonl` in the folder of a run, one object a line. */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Metric } from '../../makemoe/train/metrics'
import { metricOf } from './metrics-file'
import type { Tracker } from './tracker'

/** Evaluations and steps have lines of their own, at most one each for a step. */
const kindOf = (metric: Metric): string => `${metric.step}/${'val_loss' in metric ? 'evaluation' : 'step'}`

/**
 * One JSON object a line, with the time in milliseconds since 1970; every line is on its way to the disk when `log` returns. A resumed run
 * computes some steps again, to the same numbers: what is there already is not written twice.
 */
export class JsonLinesTracker implements Tracker {
  /** Absent while the file is closed. */
  private descriptor: number | undefined
  private readonly there = new Set<string>()

  constructor(readonly file: string) {
    mkdirSync(dirname(file), { recursive: true })
    if (existsSync(file)) this.repair()
  }

  /** Cuts off a last line that a killed process left unfinished, and notes what is there; a damaged line is written again. */
  private repair(): void {
    const text = readFileSync(this.file, 'utf8')
    const end = text.lastIndexOf('\n') + 1
    if (end < text.length) truncateSync(this.file, Buffer.byteLength(text.slice(0, end)))
    for (const line of text.slice(0, end).split('\n')) {
      const metric = metricOf(line)
      if (metric) this.there.add(kindOf(metric))
    }
  }

  log(metric: Metric): void {
    if (this.there.has(kindOf(metric))) return
    this.descriptor ??= openSync(this.file, 'a')
    writeSync(this.descriptor, `${JSON.stringify({ ...metric, time: Date.now() })}\n`)
  }

  async close(): Promise<void> {
    if (this.descriptor !== undefined) closeSync(this.descriptor)
    this.descriptor = undefined
  }
}
