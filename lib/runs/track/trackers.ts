/**
 * The trackers by name: option `--tracker`. Every run writes `metrics.jsonl` and its record; a tracker of the table sends it somewhere
 * besides. A new one is a file beside these and a line here.
 */
import { join } from 'node:path'
import { ConfigError } from '../../base/errors'
import type { Config } from '../../makemoe/config'
import type { Metric } from '../../makemoe/train/metrics'
import { JsonLinesTracker } from './jsonl'
import { metricsFile } from './metrics-file'
import { MlflowTracker } from './mlflow'
import { mlflowServer } from './mlflow-server'
import { type RunStatus, recordEnd, recordStart, runParameters } from './run-record'
import { noTracker, type Tracker } from './tracker'

/** What a tracker knows about its run. */
export interface TrackedRun {
  readonly folder: string
  /** Warns the person; a tracker never throws while the run lasts. */
  readonly warn: (message: string) => void
}

/**
 * Reads what it needs from the environment, before anything is written, and returns what makes the tracker.
 * @throws ConfigError if something is missing
 */
export type PrepareTracker = () => (run: TrackedRun) => Tracker

/** The trackers by name, each checked and opened when a run starts. */
export const trackers = {
  jsonl: () => () => noTracker,
  mlflow: () => {
    const server = mlflowServer()
    return ({ folder, warn }) => new MlflowTracker(folder, server, { warn })
  },
} as const satisfies Record<string, PrepareTracker>

export type TrackerName = keyof typeof trackers

/** MLflow if the environment names a server, else JSON lines alone. */
export const defaultTracker = (): TrackerName => (process.env.MLFLOW_TRACKING_URI ? 'mlflow' : 'jsonl')

export interface OpenTrackerOptions {
  readonly config: Partial<Config>
  readonly tags?: Readonly<Record<string, string>>
  /** A name of the table, or one of your own. Default: `mlflow` if MLFLOW_TRACKING_URI is set, else `jsonl`. */
  readonly tracker?: TrackerName | PrepareTracker
  readonly warn?: (message: string) => void
}

/**
 * The tracker of a run's folder.
 * @throws ConfigError if there is none of that name, or the environment lacks something; RunError if the folder cannot be written to
 */
export function openTracker(folder: string, options: OpenTrackerOptions): Tracker {
  const { config, tags = {}, tracker = defaultTracker(), warn = console.log } = options
  const prepare: PrepareTracker | undefined = typeof tracker === 'string' ? trackers[tracker] : tracker
  if (!prepare) throw new ConfigError(`tracker: got ${tracker}, expected one of ${Object.keys(trackers).join(', ')}`)
  const open = prepare()
  const start = (): void => recordStart(folder, () => runParameters(config, tags.device ?? 'cpu'), tags)
  start()
  return new RunTracker(folder, start, open({ folder, warn }))
}

/** JSON lines, the run's record, and another tracker. */
class RunTracker implements Tracker {
  private readonly lines: JsonLinesTracker
  private ended = false

  constructor(
    private readonly folder: string,
    private readonly start: () => void,
    private readonly other: Tracker,
  ) {
    this.lines = new JsonLinesTracker(join(folder, metricsFile))
  }

  log(metric: Metric): void {
    if (this.ended) this.start()
    this.ended = false
    this.lines.log(metric)
    this.other.log(metric)
  }

  async close(status: RunStatus = 'FINISHED'): Promise<void> {
    await this.lines.close()
    recordEnd(this.folder, status)
    this.ended = true
    await this.other.close(status)
  }
}
