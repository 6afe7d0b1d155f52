/** Tracker: keeps what a run learns about itself, or sends it somewhere. */
import type { RunStatus } from './run-record'

/** Numbers by name. */
export type Metrics = Readonly<Record<string, number | undefined>>

/** Takes metrics as they come. */
export interface Tracker {
  log(metric: Metrics): void
  /** Ends the run; one that logs again afterwards has been resumed. */
  close(status?: RunStatus): Promise<void>
}

/** Keeps nothing. */
export const noTracker: Tracker = { log: () => {}, close: async () => {} }
