/** All that resuming to the bit needs, besides the model's weights. */
import { at } from '../../base/assertions'
import { CheckpointError } from '../../base/errors'
import type { RandomStream, Streams } from '../../engine/tensor/streams'
import { tf } from '../../engine/tensor/tf'
import { type NamedParameter, numbersOf } from '../nn/parameter'
import type { StateDict } from '../nn/state-tensors'

export interface TrainingState {
  /** Steps made so far. */
  readonly step: number
  readonly streams: StreamCounters
  /** The last evaluation's validation loss, in nats; absent before the first. */
  readonly valLoss?: number | undefined
  /** The optimizer's variables. */
  readonly optimizer: StateDict
}

/** Draws so far, by stream. */
export type StreamCounters = Readonly<Record<string, number>>

export function streamCounters(streams: Streams): StreamCounters {
  return Object.fromEntries(Object.entries(streams).map(([name, { counter }]) => [name, at(counter.dataSync(), 0)]))
}

/**
 * Sets the streams to saved counters. A stream that is newer than the checkpoint starts at 0.
 * @throws CheckpointError if a saved stream does not exist; no stream is changed then
 */
export function setStreamCounters(streams: Streams, counters: StreamCounters): void {
  const unknown = Object.keys(counters).find((name) => !Object.hasOwn(streams, name))
  if (unknown !== undefined)
    throw new CheckpointError(`the checkpoint has a random stream ${unknown}, expected ${Object.keys(streams).join(', ')}`)
  tf.tidy(() => {
    for (const [name, { counter }] of Object.entries<RandomStream>(streams)) counter.assign(tf.scalar(counters[name] ?? 0, 'int32'))
  })
}

/** The numbers of named variables. @throws CheckpointError if they are integers that a checkpoint could not keep */
export function valuesOf(variables: readonly NamedParameter[]): StateDict {
  return new Map(variables.map(([name, variable]) => [name, { shape: variable.shape, values: numbersOf([name, variable]) }]))
}
