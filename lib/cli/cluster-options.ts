/** The commands' options for several processes, and what they mean; without TensorFlow. */

import { z } from 'zod'
import { ConfigError } from '../base/errors'
import type { Member, Parallelism } from '../runs/cluster/member'

export interface ClusterOptions {
  readonly workers?: number
  readonly restarts?: number
  readonly parallel?: Parallelism
  /** `host:port` of each worker, separated by commas. */
  readonly cluster?: string
  readonly worker?: number
  readonly wait?: number
  readonly trustNetwork?: boolean
}

/** Why it must be asked for. */
export const distrust =
  'TensorFlow listens on all network interfaces and lets whoever reaches the port run anything, without a password; ' +
  'on a private network or behind a firewall add --trust-network'

/**
 * This process as one of several, by --cluster and --worker, or by TF_CONFIG.
 * @returns undefined if it trains alone, or is to start the others
 * @throws ConfigError
 */
export function memberOf(options: ClusterOptions, env: Readonly<Record<string, string | undefined>> = process.env): Member | undefined {
  const { workers, restarts = 0, cluster, worker, wait = 8, trustNetwork } = options
  if (!Number.isInteger(restarts) || restarts < 0) throw new ConfigError(`restarts: got ${restarts}, expected 0 or more`)
  if (workers !== undefined) {
    if (workers < 2 || workers > 8) throw new ConfigError(`workers: got ${workers}, expected 2 to 8`)
    if (cluster !== undefined || worker !== undefined)
      throw new ConfigError('workers: got --cluster or --worker beside it, expected neither')
    return undefined
  }
  const { hosts, index } = cluster === undefined ? fromEnvironment(env.TF_CONFIG) : { hosts: cluster.split(','), index: worker }
  if (hosts.length < 2 && cluster === undefined) {
    if (worker !== undefined) throw new ConfigError(`worker: got ${worker} without --cluster, expected both`)
    return undefined
  }
  const wrong = hosts.find((host) => !/^[^\s:,]+:\d{1,5}$/.test(host))
  if (wrong !== undefined || hosts.length < 2)
    throw new ConfigError(`cluster: got ${wrong ?? hosts.join()}, expected host:port,host:port,...`)
  if (new Set(hosts).size < hosts.length) throw new ConfigError(`cluster: got ${hosts.join()}, expected each host:port once`)
  if (index === undefined || !Number.isInteger(index) || index < 0 || index >= hosts.length)
    throw new ConfigError(`worker: got ${index ?? 'nothing'}, expected 0 to ${hosts.length - 1}`)
  if (!trustNetwork) throw new ConfigError(`cluster: got no --trust-network: ${distrust}`)
  return { hosts, index, wait }
}

const clusterSchema = z.object({
  cluster: z.record(z.string(), z.unknown()).default({}),
  task: z.object({ type: z.string().optional(), index: z.union([z.number(), z.string()]).optional() }).default({}),
})

/** TF_CONFIG, as TensorFlow's own programs read it: {"cluster": {"worker": [...]}, "task": {"type": "worker", "index": 0}} */
function fromEnvironment(text: string | undefined): { hosts: string[]; index?: number | undefined } {
  if (text === undefined || text.trim() === '') return { hosts: [] }
  const wrong = (what: string): ConfigError => new ConfigError(`TF_CONFIG: got ${what}, expected a cluster and a task of workers alone`)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw wrong('no JSON')
  }
  const parsed = clusterSchema.safeParse(json)
  if (!parsed.success) throw wrong('something else')
  const { cluster, task } = parsed.data
  const { worker, ...others } = cluster
  const [other] = Object.keys(others)
  if (other !== undefined || (task.type !== undefined && task.type !== 'worker')) throw wrong(`the job ${other ?? task.type}`)
  if (!Array.isArray(worker) || !worker.every((host) => typeof host === 'string')) throw wrong('no list of workers')
  return { hosts: worker, index: Number(task.index) }
}
