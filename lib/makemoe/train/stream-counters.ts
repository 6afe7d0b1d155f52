/** How far each random stream has been drawn: all that a checkpoint needs to know of them. */
import { at } from '../../base/assertions'
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import { tf } from '../../engine/tensor/tf'

/** Draws so far, by stream. */
export type StreamCounters = Readonly<Record<string, number>>

export function streamCounters(streams: Streams): StreamCounters {
  return Object.fromEntries(Object.entries(streams).map(([name, { counter }]) => [name, at(counter.dataSync(), 0)]))
}

/**
 * Sets the streams to saved counters. A stream that is newer than the checkpoint starts at 0.
 * @returns the saved streams that there are no longer; they cannot matter to a model that draws from none of them
 */
export function setStreamCounters(streams: Streams, counters: StreamCounters): string[] {
  tf.tidy(() => {
    for (const [name, { counter }] of Object.entries<RandomStream>(streams)) counter.assign(tf.scalar(counters[name] ?? 0, 'int32'))
  })
  return Object.keys(counters).filter((name) => !Object.hasOwn(streams, name))
}
