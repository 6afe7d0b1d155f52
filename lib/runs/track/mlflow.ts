/**
 * Runs on an MLflow server, sent in the background from what the run's folder holds. So training waits for no server, memory stays small,
 * nothing is lost while a server is away, and `npm run mlflow -- --sync` sends the rest later.
 */
import { messageOf } from '../../base/assertions'
import { commandLine } from '../../base/installed'
import type { MlflowClient } from './mlflow-client'
import { MlflowSync } from './mlflow-sync'
import type { Tracker } from './tracker'

export interface MlflowTrackerOptions {
  /** Told once when the server does not take what is sent, and at the end if something is left. */
  readonly warn: (message: string) => void
  /** Least time between two attempts, in milliseconds; doubles with each failure up to a minute. Default 5,000. */
  readonly intervalMs?: number
  /** How long the end of a run waits for the server, in milliseconds. Default 15,000. */
  readonly patienceMs?: number
}

/** Sends a run's folder in the background, each time that something was logged and enough time has passed. */
export class MlflowTracker implements Tracker {
  private readonly sync: MlflowSync
  private sending: Promise<unknown> | undefined
  private next = 0
  private failures = 0

  constructor(
    private readonly folder: string,
    client: MlflowClient,
    private readonly options: MlflowTrackerOptions,
  ) {
    this.sync = new MlflowSync(folder, client)
  }

  log(): void {
    if (!this.sending && Date.now() >= this.next) {
      this.sending = this.send().finally(() => {
        this.sending = undefined
      })
    }
  }

  /** One attempt. Never throws: training is more important. */
  private async send(): Promise<boolean> {
    const { warn, intervalMs = 5000 } = this.options
    try {
      await this.sync.send()
      this.failures = 0
      this.next = Date.now() + intervalMs
      return true
    } catch (error) {
      if (this.failures++ === 0) warn(`MLflow: ${messageOf(error)}; training continues, and what was not sent waits in ${this.folder}`)
      this.next = Date.now() + Math.min(60_000, intervalMs * 2 ** this.failures)
      return false
    }
  }

  /** Sends the rest, if the server is there. */
  async close(): Promise<void> {
    const finish = async (): Promise<boolean> => {
      await this.sending
      return this.send()
    }
    const { warn, patienceMs = 15_000 } = this.options
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), patienceMs)
    })
    const done = await Promise.race([finish(), patience])
    clearTimeout(timer)
    if (!done) warn(`MLflow: not everything was sent; ${commandLine('mlflow', `--sync ${this.folder}`)} sends the rest`)
  }
}
