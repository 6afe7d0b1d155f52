/** Tracker: keeps what a run learns about itself, or sends it somewhere. */
import type { Metric } from '../../makemoe/train/metrics'
import type { RunStatus } from './run-record'

/** Takes metrics as they come. */
export interface Tracker {
  /** Takes one row. */
  log(metric: Metric): void
  /** Ends the run; one that logs again afterwards has been resumed. */
  close(status?: RunStatus): Promise<void>
}

/** Keeps nothing. */
export const noTracker: Tracker = { log: () => {}, close: async () => {} }
