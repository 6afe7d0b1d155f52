/**
 * Runs on an MLflow server, sent in the background from what the run's folder holds. So training waits for no server, memory stays small,
 * nothing is lost while a server is away, and `npm run mlflow -- --sync` sends the rest later.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { commandLine } from '../../base/installed'
import type { MlflowServer } from './mlflow-server'
import type { FromMlflowWorker, MlflowWorkerData, ToMlflowWorker } from './mlflow-worker'
import type { Tracker } from './tracker'

export interface MlflowTrackerOptions {
  /** Gets each thing that a person should know once: that the server does not take what is sent, that something is left at the end. */
  readonly warn: (message: string) => void
  /** Time between two attempts, in milliseconds; doubles with each failure up to half a minute. Default 5,000. */
  readonly intervalMs?: number
  /** How long nothing may be sent or received in a request, in milliseconds. Default 10,000. */
  readonly idleMs?: number
  /** How long the end of a run waits for the server while nothing is sent or received, in milliseconds. Default 15,000. */
  readonly patienceMs?: number
}

/** Sends a run's folder from a thread of its own, which begins with the first metric. */
export class MlflowTracker implements Tracker {
  private worker: Worker | undefined
  private onMessage: (message: FromMlflowWorker) => void = () => {}

  constructor(
    private readonly folder: string,
    private readonly server: MlflowServer,
    private readonly options: MlflowTrackerOptions,
  ) {}

  log(): void {
    this.worker ??= this.start()
  }

  private start(): Worker {
    const { warn, intervalMs = 5000, idleMs = 10_000 } = this.options
    const workerData: MlflowWorkerData = { folder: this.folder, server: this.server, intervalMs, idleMs }
    const worker = new Worker(join(__dirname, 'mlflow-worker.js'), { workerData, execArgv: [] })
    worker.unref() // a process that ends waits for `close` alone
    worker.on('message', (message: FromMlflowWorker) => {
      if ('warning' in message) warn(`MLflow: ${message.warning}`)
      this.onMessage(message)
    })
    worker.on('error', (error) => {
      warn(`MLflow: sending ended with ${error.message}`)
      this.onMessage({ finished: false })
    })
    return worker
  }

  /** Sends the rest, if the server is there; as long as bytes move, it is waited for. */
  async close(): Promise<void> {
    const { warn, patienceMs = 15_000 } = this.options
    const worker = this.worker ?? this.start()
    this.worker = undefined
    worker.ref()
    const finished = await new Promise<boolean>((resolve) => {
      let patience = setTimeout(() => resolve(false), patienceMs)
      this.onMessage = (message) => {
        clearTimeout(patience)
        if ('finished' in message) resolve(message.finished)
        else patience = setTimeout(() => resolve(false), patienceMs)
      }
      worker.postMessage('finish' satisfies ToMlflowWorker)
    })
    this.onMessage = () => {}
    await worker.terminate()
    if (!finished) warn(`MLflow: not everything was sent; ${commandLine('mlflow', `--sync ${this.folder}`)} sends the rest`)
  }
}
