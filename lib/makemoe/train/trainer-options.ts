/** What a Trainer takes besides its model, its data and its config. */
import type { Optimizer } from '../optim/optimizer'
import type { Compile } from './compile'
import type { Metric } from './metrics'
import type { Progress } from './pace'
import type { Schedule } from './schedule'
import type { Team } from './team'

/** Options of a Trainer. */
export interface TrainerOptions {
  readonly compile?: Compile
  /** Default: the one that the config names. */
  readonly optimizer?: Optimizer | undefined
  /** Default: the one that the config names. */
  readonly schedule?: Schedule | undefined
  /** The processes that train the model together; the dataset and the streams are then this one's share of them. Default: `alone`. */
  readonly team?: Team | undefined
  readonly onMetric?: (metric: Metric) => void
  readonly onProgress?: (progress: Progress) => void
  /** Called after a step, before the evaluation that may follow. */
  readonly onStep?: (step: number) => void
  /** Takes what a person should know. Default: console.log. */
  readonly warn?: (message: string) => void
  /** Training stops after the current step. */
  readonly signal?: AbortSignal | undefined
  /** Steps between reports: gradient norm, speed, and what the parts report. Default 10. */
  readonly reportInterval?: number
}

/** What may change from one call of `run` to the next: the listeners and the signal. */
export type TrainerListeners = Omit<TrainerOptions, 'compile' | 'optimizer' | 'schedule' | 'team'>
