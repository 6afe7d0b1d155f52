/** `makemoe train --workers N`: starts the workers of one machine, feeds MLflow from the run's folder, and resumes a run that lost one. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterError } from '../base/errors'
import { requireNewFolder } from '../base/files'
import { commandLine } from '../base/installed'
import type { Config } from '../makemoe/config'
import { checkShares, lostStatus } from '../runs/cluster/member'
import { type RunStatus, readRunRecord, recordEnd } from '../runs/track/run-record'
import { noTracker } from '../runs/track/tracker'
import { defaultTracker, type PrepareTracker, type TrackerName, trackers } from '../runs/track/trackers'
import type { ClusterOptions } from './cluster-options'
import { launch, requireNamespace } from './launcher'
import { newRunPath } from './setup/paths'
import { stoppedStatus } from './stopping'

interface WorkersOptions extends ClusterOptions {
  readonly preset: string
  readonly out?: string
  readonly resume?: string
  readonly tracker?: TrackerName
  readonly mlflow?: boolean
}

/** Options of the launcher alone, and those that it sets anew for the workers; true: a value follows. */
const launcherOptions: Readonly<Record<string, boolean>> = {
  '--workers': true,
  '--restarts': true,
  '--trust-network': false,
  '--out': true,
  '--resume': true,
  '--preset': true,
  '--tracker': true,
  '--mlflow': false,
}

/** The arguments that are the workers' too. */
export function workerArguments(args: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [name = '', given] = (args[i] ?? '').split('=', 2)
    const hasValue = launcherOptions[name]
    if (hasValue === undefined) kept.push(args[i] ?? '')
    else if (hasValue && given === undefined) i++
  }
  return kept
}

/** Whether a run has a checkpoint; TensorFlow need not be loaded to see it. */
function hasCheckpoint(folder: string): boolean {
  const checkpoints = join(folder, 'checkpoints')
  return existsSync(checkpoints) && readdirSync(checkpoints).some((name) => /^step-\d+(\.new)?$/.test(name))
}

/**
 * Trains with several workers on this machine.
 * @param args those of the command `train`
 * @param signal passed on to the workers, which stop together
 * @returns the exit status
 * @throws ConfigError before anything is started; ClusterError if workers were lost more often than `restarts`
 */
export async function trainWithWorkers(
  config: Config,
  options: WorkersOptions,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const { workers = 2, restarts = 3, resume, trustNetwork = false, tracker = options.mlflow ? 'mlflow' : defaultTracker() } = options
  if (resume === undefined) checkShares(config, workers, options.parallel ?? 'experts')
  const isolated = requireNamespace(trustNetwork)
  const path = resume ?? options.out ?? newRunPath(options.preset, config.seed)
  if (resume === undefined) requireNewFolder(path)
  let feed = feedTracker(tracker, path)
  const shared = [process.execPath, join(__dirname, 'main.js'), 'train', ...workerArguments(args), '--tracker', 'jsonl']
  try {
    for (let attempt = 0; ; attempt++) {
      const again = resume !== undefined || hasCheckpoint(path)
      if (!again && attempt > 0) {
        // Lost before its first checkpoint: its record ends, and a new run begins.
        await feed.close(statusOf(path))
        rmSync(path, { recursive: true, force: true })
        feed = feedTracker(tracker, path)
      }
      const command = [...shared, ...(again ? ['--resume', path] : ['--preset', options.preset, '--out', path])]
      const result = await launch({ workers, isolated, command, signal })
      if (result.lost === undefined) return result.status
      const sentence = `${result.lost}; all ${workers} workers have ended`
      if (signal.aborted) {
        console.error(
          hasCheckpoint(path)
            ? `stopped by ${signal.reason}, and ${sentence}; ${commandLine('train', `--resume ${path} --workers ${workers}`)} resumes it from the last checkpoint`
            : `stopped by ${signal.reason} before the first checkpoint: there is nothing to save; the same command starts it again`,
        )
        return stoppedStatus(signal)
      }
      if (result.status !== lostStatus) {
        console.error(`makemoe: ${sentence}`)
        return result.status
      }
      if (attempt >= restarts) throw new ClusterError(`${sentence}, after ${attempt} of ${restarts} restarts`)
      console.error(`${sentence}; restart ${attempt + 1} of ${restarts} from the last checkpoint`)
    }
  } finally {
    await feed.close(statusOf(path))
  }
}

/** How a run ended; one whose workers could not note it was killed. */
function statusOf(folder: string): RunStatus {
  if (!existsSync(join(folder, 'run.json'))) return 'FAILED'
  const { status } = readRunRecord(folder)
  if (status === undefined) recordEnd(folder, 'KILLED')
  return status ?? 'KILLED'
}

/** Feeds a tracker from the run's folder, since the workers reach no server. */
function feedTracker(name: TrackerName, folder: string): { close(status: RunStatus): Promise<void> } {
  if (name === 'jsonl') return noTracker
  const prepare: PrepareTracker = trackers[name]
  const open = prepare()
  let tracker: ReturnType<typeof open> | undefined
  const feed = (): void => {
    if (!existsSync(join(folder, 'run.json'))) return
    tracker ??= open({ folder, warn: console.log })
    tracker.log({ step: 0 }) // starts it: what it sends it reads from the folder
  }
  const timer = setInterval(feed, 1000)
  return {
    close: async (status) => {
      clearInterval(timer)
      feed()
      await tracker?.close(status)
    },
  }
}
