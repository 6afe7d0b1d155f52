/** This process among those that train one model together; cluster/ has them, and `onlyWorker` is the usual case of one. */
import type { Streams } from '../engine/tensor/streams'
import type { Config } from '../makemoe/config'
import type { Dataset } from '../makemoe/text/dataset'
import type { Trainable } from '../makemoe/train/step'
import { alone, type Team } from '../makemoe/train/team'

/** What a process trains with: its share of the batches, of the random draws, and of the exchange. */
export interface WorkerShare {
  readonly team: Team
  readonly dataset: Dataset
  readonly streams: Streams
}

/** What is to be trained. */
export interface WholeTraining {
  readonly model: Trainable
  readonly dataset: Dataset
  readonly streams: Streams
  readonly config: Partial<Config>
  /** By name: what must be the same in all processes, besides the config. */
  readonly facts: Readonly<Record<string, string>>
}

export interface Worker {
  /** Whether this process has the run's folder, and reports. */
  readonly leads: boolean
  /**
   * What this process works on, once all have compared what they are about to train.
   * @throws ConfigError if they differ, or it cannot be shared out
   */
  share(whole: WholeTraining): WorkerShare
  /** An error as what it is: that the others were lost, perhaps. */
  asError(error: unknown): unknown
}

/** One process, which does everything. */
export const onlyWorker: Worker = {
  leads: true,
  share: ({ dataset, streams }) => ({ team: alone, dataset, streams }),
  asError: (error) => error,
}
