/**
 * The launcher: starts the workers of one machine and watches over them. They run in a user and network namespace of their own, in which
 * nothing outside reaches them: TensorFlow's server listens on all interfaces and lets whoever comes run anything.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../base/errors'
import { libc } from '../base/libc'
import { freePorts } from '../base/ports'
import { lostStatus } from '../runs/cluster/member'
import { distrust } from './cluster-options'
import { stoppedStatuses } from './stopping'

/** Exit statuses of a worker that did all, or was stopped and saved. */
const endings: readonly number[] = [0, ...stoppedStatuses]
/** How long the others may take to notice that one was lost, in milliseconds; then they are ended. */
const graceMs = 2000
/** How long a worker may be stopped, in milliseconds; then it is ended. Before it has joined, no heartbeat of it would be missed. */
const stoppedMs = 4000

/** In a worker's environment: the process that ends it. */
const launcherVariable = 'MAKEMOE_LAUNCHER'
const [setParentDeathSignal, sigkill] = [1, 9]

/**
 * Lets a worker end with its launcher, however that one ends: the system kills it, also while it is stopped or waits for the others.
 * Linux alone; elsewhere, and in a process that no launcher started, nothing happens.
 */
export function endWithLauncher(): void {
  const launcher = process.env[launcherVariable]
  if (launcher === undefined || process.platform !== 'linux') return
  libc().prctl(setParentDeathSignal, sigkill, 0, 0, 0)
  if (process.ppid !== Number(launcher)) process.exit(lostStatus) // it had ended before
}

/** Whether a process was stopped, by SIGSTOP say; false where there is no /proc. */
function isStopped(pid: number | undefined): boolean {
  try {
    return /^\d+ \(.*\) T/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Runs a shell line as the root of a namespace whose only network is its own loopback. */
const namespaced = (line: string): [string, string[]] => ['unshare', ['-rn', '/bin/sh', '-c', line]]
const loopbackUp = 'ip link set lo up'

/** @throws ConfigError if the system does not allow it and nobody trusts the network */
export function requireNamespace(trusted: boolean): boolean {
  const [program, args] = namespaced(loopbackUp)
  const allowed = spawnSync(program, args, { stdio: 'ignore' }).status === 0
  if (!allowed && !trusted) throw new ConfigError(`workers: this system does not allow a network of their own (unshare -rn): ${distrust}`)
  return allowed
}

/** How an attempt ended. */
export interface AttemptResult {
  /** That of worker 0, or of the first that failed. */
  readonly status: number
  /** The first worker that was lost, and how; absent if none was. */
  readonly lost?: string
}

export interface LaunchOptions {
  readonly workers: number
  /** Whether they get a network of their own. */
  readonly isolated: boolean
  /** The command line of a worker: program and arguments. */
  readonly command: readonly string[]
  /** Aborted by the signal that is passed on to the workers. */
  readonly signal: AbortSignal
}

/** Runs all workers once. Worker 0 has the terminal; of the others, what they say last is shown if they fail. */
export async function launch({ workers, isolated, command, signal }: LaunchOptions): Promise<AttemptResult> {
  // Each attempt has new ports, since a server never gives its port back.
  const hosts = (await freePorts(workers)).map((port) => `127.0.0.1:${port}`).join()
  const { MLFLOW_TRACKING_URI: _uri, TF_CONFIG: _config, ...inherited } = process.env // the launcher feeds MLflow, from outside
  const env = { ...inherited, [launcherVariable]: String(process.pid), TF_CPP_MIN_LOG_LEVEL: '3' } // what TensorFlow says of lost workers is said in one sentence
  const children: ChildProcess[] = []
  let holder: ChildProcess | undefined
  let enter: string[] = []
  if (isolated) {
    // A process that keeps the namespace; the workers enter it.
    const [program, args] = namespaced(`${loopbackUp} && echo up && exec cat`)
    holder = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'] })
    await new Promise((resolve) => holder?.stdout?.once('data', resolve).once('close', resolve))
    enter = ['nsenter', '--preserve-credentials', '-U', '-n', '-t', String(holder.pid), '--']
  }
  const said: string[] = []
  for (let i = 0; i < workers; i++) {
    const [program = '', ...args] = [...enter, ...command, '--cluster', hosts, '--worker', String(i), '--trust-network', '--wait', '60']
    const child = spawn(program, args, { env, stdio: ['ignore', i === 0 ? 'inherit' : 'ignore', i === 0 ? 'inherit' : 'pipe'] })
    child.stderr?.on('data', (chunk: Buffer) => {
      said[i] = `${said[i] ?? ''}${chunk}`.slice(-4000)
    })
    children.push(child)
  }
  const pass = (): void => {
    for (const child of children) child.kill(signal.reason === 'SIGINT' ? 'SIGINT' : 'SIGTERM')
  }
  signal.addEventListener('abort', pass)
  const result = await supervise(children, said)
  signal.removeEventListener('abort', pass)
  holder?.kill('SIGKILL')
  return result
}

/** Waits for all, and ends who is stopped; once one has failed, the others have little time. */
async function supervise(children: readonly ChildProcess[], said: readonly string[]): Promise<AttemptResult> {
  let first: { worker: number; status: number; how: string; lost: boolean } | undefined
  let timer: NodeJS.Timeout | undefined
  let forced = false
  const ended = children.map(
    (child, worker) =>
      new Promise<void>((resolve) => {
        const end = (code: number | null, how: string | null): void => {
          const failed = how !== null || !endings.includes(code ?? 0)
          // A worker that has lost the others is not the one that was lost, unless nobody else turns out to be.
          if (failed && (!first || (!first.lost && code !== lostStatus)))
            first = {
              worker,
              status: code ?? lostStatus,
              lost: code !== lostStatus,
              how: code !== null ? (how ?? `ended with status ${code}`) : forced ? 'no longer answered' : `was killed by ${how}`,
            }
          if (failed)
            timer ??= setTimeout(() => {
              forced = true
              for (const each of children) each.kill('SIGKILL')
            }, graceMs)
          resolve()
        }
        child.on('error', ({ message }) => end(1, `could not start: ${message}`)).on('close', end)
      }),
  )
  const stoppedSince = new Map<ChildProcess, number>()
  const watch = setInterval(() => {
    for (const child of children) {
      if (!isStopped(child.pid)) stoppedSince.delete(child)
      else if (!stoppedSince.has(child)) stoppedSince.set(child, Date.now())
      else if (Date.now() - (stoppedSince.get(child) ?? 0) > stoppedMs) {
        forced = true
        child.kill('SIGKILL')
      }
    }
  }, 500)
  await Promise.all(ended)
  clearTimeout(timer)
  clearInterval(watch)
  if (!first) return { status: children[0]?.exitCode ?? 0 }
  const last = (said[first.worker] ?? '').trim().split('\n').at(-1)
  const reason = last ? `: ${last.replace(/^makemoe: /, '')}` : ''
  return { status: first.status, lost: `worker ${first.worker} ${first.how}${reason}` }
}
