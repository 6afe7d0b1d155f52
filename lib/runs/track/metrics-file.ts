/** `metrics.jsonl` as it may be found: a process that was killed, or a person's editor, leaves lines that are empty or torn. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Metric } from '../../makemoe/train/metrics'

export const metricsFile = 'metrics.jsonl'

/** A line of the file: its numbers, and when it was written. */
export type TimedMetric = Metric & { readonly time: number }

/** The numbers in a line; undefined if it is empty, torn, or no object with a step and a time. JSON has no NaN: it was written as null. */
export function metricOf(line: string): TimedMetric | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch {
    return undefined
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined
  const { step, time, ...rest } = parsed as Record<string, unknown>
  if (!Number.isSafeInteger(step) || !Number.isSafeInteger(time)) return undefined
  const numbers = Object.entries(rest).flatMap(([name, value]) =>
    typeof value === 'number' || value === null ? [[name, value ?? Number.NaN] as const] : [],
  )
  return { ...Object.fromEntries(numbers), step: Number(step), time: Number(time) }
}

const bytesPerRead = 1 << 18

/** Whole lines of a file from a byte on, not too many at a time, but at least one if there is one. */
export function readLines(file: string, from: number): string[] {
  const descriptor = openSync(file, 'r')
  try {
    for (let size = bytesPerRead; ; size *= 2) {
      const buffer = Buffer.alloc(size)
      const length = readSync(descriptor, buffer, 0, size, from)
      const end = buffer.subarray(0, length).lastIndexOf(10)
      if (end >= 0) return buffer.toString('utf8', 0, end).split('\n')
      if (length < size) return [] // the line is still being written
    }
  } finally {
    closeSync(descriptor)
  }
}

/** The metrics of a run's folder, in the order of the file; none if there is no file yet. */
export function* metricsIn(folder: string): Generator<TimedMetric> {
  const file = join(folder, metricsFile)
  if (!existsSync(file)) return
  for (let from = 0; ; ) {
    const lines = readLines(file, from)
    if (lines.length === 0) return
    for (const line of lines) {
      from += Buffer.byteLength(line) + 1
      const metric = metricOf(line)
      if (metric) yield metric
    }
  }
}
