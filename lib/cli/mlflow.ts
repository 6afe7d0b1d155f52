/** `makemoe mlflow`: a real MLflow server on this machine alone; or sending what a run still has to send. */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { RunError } from '../errors'
import { lockFile } from '../files'
import { MlflowSync, noteEnd, readRunDescription } from '../track/mlflow'
import { MlflowClient, MlflowError, mlflowServer } from '../track/mlflow-client'
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
  const env = { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', PATH: `${paths.mlflowBin()}:${process.env.PATH}` }
  const child = spawn(join(paths.mlflowBin(), 'mlflow'), [...args, ...stores], { cwd: home, stdio: 'inherit', env })
  process.on('SIGINT', () => {}) // the server gets it too
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)))
}

/**
 * Sends what the server does not have of a run. A run that was killed without a word is ended as KILLED.
 * @throws RunError if the folder is no run's, is in use, or the server does not take it
 */
export async function syncRun(folder: string): Promise<void> {
  const client = new MlflowClient(mlflowServer())
  const description = readRunDescription(folder)
  const unlock = lockFile(join(folder, 'lock'))
  if (!unlock) throw new RunError(`another process is using the run folder ${folder}; it sends its metrics itself`)
  try {
    if (!description.status) noteEnd(folder, 'KILLED')
    await new MlflowSync(folder, client).send()
    console.log(`${description.name}: everything is on ${client.server.address}`)
  } catch (error) {
    throw error instanceof MlflowError ? new RunError(`${error.message}; what was sent until then is noted`) : error
  } finally {
    unlock()
  }
}
