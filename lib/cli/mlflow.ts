/** `makemoe mlflow`: a real MLflow server on this machine alone; or sending what a run still has to send. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '../base/errors'
import { lockFile } from '../base/files'
import { MlflowClient, MlflowError, mlflowServer } from '../runs/track/mlflow-client'
import { MlflowSync } from '../runs/track/mlflow-sync'
import { readRunRecord, recordEnd } from '../runs/track/run-record'
import { runInForeground } from './child'
import { paths, projectRoot } from './setup/paths'

/**
 * Runs the server until it ends; runs and artifacts lie in data/mlflow.
 * @returns its exit status
 */
export function startMlflow(port: number): Promise<number> {
  const home = join(projectRoot(), 'data', 'mlflow')
  mkdirSync(home, { recursive: true })
  const address = `http://127.0.0.1:${port}`
  console.log(`MLflow: ${address} (Ctrl-C stops it)\n  train with: MLFLOW_TRACKING_URI=${address} npm run train`)
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1']
  const stores = ['--backend-store-uri', `sqlite:///${join(home, 'mlflow.db')}`, '--artifacts-destination', join(home, 'artifacts')]
  const env = {
    ...process.env,
    MLFLOW_DISABLE_TELEMETRY: 'true',
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
    PATH: `${paths.mlflowBin()}:${process.env.PATH}`,
  }
  return runInForeground(join(paths.mlflowBin(), 'mlflow'), [...args, ...stores], { cwd: home, env })
}

/**
 * Sends what the server does not have of a run. A run that was killed without a word is ended as KILLED.
 * @throws RunError if the folder is no run's, is in use, or the server does not take it
 */
export async function syncRun(folder: string): Promise<void> {
  const client = new MlflowClient(mlflowServer())
  const record = readRunRecord(folder)
  const unlock = lockFile(join(folder, 'lock'))
  if (!unlock) throw new RunError(`another process is using the run folder ${folder}; it sends its metrics itself`)
  try {
    if (!record.status) recordEnd(folder, 'KILLED')
    await new MlflowSync(folder, client).send()
    console.log(`${record.name}: everything is on ${client.server.address}`)
  } catch (error) {
    throw error instanceof MlflowError ? new RunError(`${error.message}; what was sent until then is recorded`) : error
  } finally {
    unlock()
  }
}
