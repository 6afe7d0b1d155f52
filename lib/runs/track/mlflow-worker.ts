/**
 * The thread that sends a run to MLflow: it reads the run's folder again and again. TensorFlow is not loaded here, and while training keeps
 * the main thread busy, requests and their time limits go on.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../base/assertions'
import { MlflowClient } from './mlflow-client'
import type { MlflowServer } from './mlflow-server'
import { MlflowSync } from './mlflow-sync'

export interface MlflowWorkerData {
  readonly folder: string
  readonly server: MlflowServer
  /** Between two attempts, in milliseconds. */
  readonly intervalMs: number
  readonly idleMs: number
}

/** From the main thread: the run has ended. */
export type ToMlflowWorker = 'finish'

/** To the main thread: bytes moved; something to show; whether all was sent, after which the thread ends. */
export type FromMlflowWorker = { readonly progress: true } | { readonly warning: string } | { readonly finished: boolean }

/** Most time between two attempts, in milliseconds. */
const longestIntervalMs = 30_000

const { folder, server, intervalMs, idleMs } = workerData as MlflowWorkerData
const post = (message: FromMlflowWorker): void => parentPort?.postMessage(message)
const client = new MlflowClient(server, { idleMs, onProgress: () => post({ progress: true }) })
const sync = new MlflowSync(folder, client, (sentence) => post({ warning: sentence }))
const ending = new AbortController()
parentPort?.on('message', () => ending.abort())

let failures = 0

/** One attempt. Never throws: training is more important. */
async function attempt(): Promise<boolean> {
  try {
    await sync.send()
    failures = 0
    return true
  } catch (error) {
    if (failures++ === 0) post({ warning: `${messageOf(error)}; training continues, and what was not sent waits in ${folder}` })
    return false
  }
}

async function untilTheEnd(): Promise<void> {
  while (!ending.signal.aborted) {
    await attempt()
    await wait(Math.min(longestIntervalMs, intervalMs * 2 ** failures), undefined, { signal: ending.signal }).catch(() => {})
  }
  post({ finished: await attempt() })
  parentPort?.close()
}

void untilTheEnd()
