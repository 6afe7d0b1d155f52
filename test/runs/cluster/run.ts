/** Real processes for the tests of the cluster: the command `train`, its output and the processes that it starts. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { workersOf } from './workers.mjs'

export const root = join(__dirname, '../../..')
export const main = join(root, 'lib/dist/cli/main.js')
export const folder = mkdtempSync(join(tmpdir(), 'makemoe-cluster-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true })) // several files of tests share it
export const text = join(folder, 'text.txt')
writeFileSync(text, 'the quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs! '.repeat(20))

const sizes = '--n-embed 16 --n-head 2 --n-layer 2 --num-experts 4 --block-size 8 --batch-size 8 --eval-iters 2 --eval-interval 1000'
export const options = [...sizes.split(' '), '--sample', '5', '--text', text]

/** Whether this system allows workers a network of their own; in some containers it does not. */
export const isolated = spawnSync('unshare', ['-rn', '/bin/sh', '-c', 'ip link set lo up'], { stdio: 'ignore' }).status === 0

export interface Ended {
  readonly status: number | null
  readonly output: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  output(): string
}

/** Starts `train`. */
export function start(args: readonly string[], env: Record<string, string> = {}, program = main): Running {
  const preset = args.includes('--resume') ? [] : ['--preset', 'corrected'] // has dropout and noise, which workers draw together
  const trust = args.includes('--workers') && !isolated ? ['--trust-network'] : []
  const child = spawn(process.execPath, [program, 'train', ...preset, ...args, ...trust], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const ended = new Promise<Ended>((resolve) => child.on('close', (status) => resolve({ status, output, at: Date.now() })))
  return { child, ended, output: () => output }
}

export const train = (...args: string[]): Promise<Ended> => start([...options, ...args]).ended

/** Waits until something is there. */
export async function until<T>(find: () => T | undefined | false, what: string, seconds = 120): Promise<T> {
  for (const begin = Date.now(); Date.now() - begin < 1000 * seconds; ) {
    const found = find()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what}: not within ${seconds} s`)
}

/** The process of a worker of the run in a folder. */
export const workerOf = (run: string, worker: number): number | undefined => workersOf(run).get(worker)

/** Whether a process listens on the port of its worker, as it does from the joining on. */
export function isListening(pid: number | undefined): boolean {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    const address = line[line.indexOf('--cluster') + 1]?.split(',')[Number(line[line.indexOf('--worker') + 1])]
    const port = Number(address?.split(':')[1]).toString(16).toUpperCase().padStart(4, '0')
    const listening = new RegExp(`: [0-9A-F]+:${port} [0-9A-F:]+ 0A `)
    return ['tcp', 'tcp6'].some((table) => listening.test(readFileSync(`/proc/${pid}/net/${table}`, 'utf8')))
  } catch {
    return false // it has ended, or not begun
  }
}

/** The metrics of a run that do not depend on the clock. */
export function metricsOf(run: string): Record<string, number>[] {
  if (!existsSync(join(run, 'metrics.jsonl'))) return []
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { time: _time, tokens_per_second: _speed, ...metric } = JSON.parse(line)
      return metric
    })
}

export const lossesOf = (run: string): number[] => metricsOf(run).flatMap(({ loss }) => (loss === undefined ? [] : [loss]))
