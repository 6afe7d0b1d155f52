/** `makemoe mlflow`: a real MLflow server on this machine alone; or sending what a run still has to send. */
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Command } from 'commander'
import { ConfigError, RunError } from '../base/errors'
import { lockFile } from '../base/files'
import { commandLine } from '../base/installed'
import { MlflowClient, MlflowError } from '../runs/track/mlflow-client'
import { mlflowServer } from '../runs/track/mlflow-server'
import { MlflowSync } from '../runs/track/mlflow-sync'
import { readRunRecord, recordEnd } from '../runs/track/run-record'
import { runInForeground } from './child'
import { natural } from './option-values'
import { addCommand } from './options'
import { ownEnvironment } from './setup/environment'
import { paths } from './setup/paths'
import { setup } from './setup/setup'

export function register(program: Command): void {
  addCommand(program, 'mlflow', 'start a local MLflow server, or send what a run still has to send')
    .option('--port <number>', 'of the server, on 127.0.0.1', natural, 5000)
    .option('--sync <folder>', 'send what the server of MLFLOW_TRACKING_URI does not have of this run')
    .action(async (options: { port: number; sync?: string }) => {
      if (options.sync !== undefined) return syncRun(options.sync)
      await requireFreePort(options.port)
      await setup({ jupyter: false, text: false, mlflow: true })
      process.exitCode = await startMlflow(options.port)
    })
}

/**
 * Runs the server until it ends; runs and artifacts lie in data/mlflow (an installed package's in ./mlflow).
 * @returns its exit status
 */
function startMlflow(port: number): Promise<number> {
  const home = paths.mlflow()
  mkdirSync(home, { recursive: true })
  const address = `http://127.0.0.1:${port}`
  console.log(`MLflow: ${address} (Ctrl-C stops it)\n  train with: MLFLOW_TRACKING_URI=${address} ${commandLine('train')}`)
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1']
  const stores = ['--backend-store-uri', `sqlite:///${join(home, 'mlflow.db')}`, '--artifacts-destination', join(home, 'artifacts')]
  // Settings for other servers are left out: an artifact root, options of gunicorn's or uvicorn's.
  const others = /^(MLFLOW_|GUNICORN_|UVICORN_|FLASK_|WEB_CONCURRENCY$)/
  const env = {
    ...Object.fromEntries(Object.entries(ownEnvironment()).filter(([name]) => !others.test(name))),
    MLFLOW_DISABLE_TELEMETRY: 'true',
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
    PATH: `${paths.mlflowBin()}:${process.env.PATH}`,
  }
  return runInForeground(join(paths.mlflowBin(), 'mlflow'), [...args, ...stores], { cwd: home, env })
}

/** @throws ConfigError if no server can listen on the port: another one does, or it is not one of a user's */
async function requireFreePort(port: number): Promise<void> {
  if (port > 65535) throw new ConfigError(`port: got ${port}, expected at most 65535`)
  const server = createServer()
  const reason = await new Promise<string | undefined>((resolve) => {
    server.on('error', ({ code, message }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE' ? 'another program uses it' : message))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
  if (reason !== undefined) throw new ConfigError(`port: got ${port}, but ${reason}; --port sets another`)
}

/**
 * Sends what the server does not have of a run. A run that was killed without a word is ended as KILLED.
 * @throws RunError if the folder is no run's, is in use, or the server does not take it
 */
async function syncRun(folder: string): Promise<void> {
  const client = new MlflowClient(mlflowServer())
  const record = readRunRecord(folder)
  const unlock = lockFile(join(folder, 'lock'))
  if (!unlock) throw new RunError(`another process is using the run folder ${folder}; it sends its metrics itself`)
  try {
    if (!record.status) recordEnd(folder, 'KILLED')
    const all = await new MlflowSync(folder, client, (sentence) => console.log(`${record.name}: ${sentence}`)).send()
    console.log(`${record.name}: everything${all ? '' : ' but these files'} is on ${client.server.address}`)
  } catch (error) {
    throw error instanceof MlflowError ? new RunError(`${error.message}; what was sent until then is recorded`) : error
  } finally {
    unlock()
  }
}
