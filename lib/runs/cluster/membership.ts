/**
 * Membership: a process joins the others through TensorFlow's own server and coordination service, and all compare what they are about to
 * train. The server listens on all interfaces and trusts everybody: see cli/launcher.ts.
 */
import { messageOf } from '../../base/assertions'
import { ClusterError, ConfigError } from '../../base/errors'
import { listens } from '../../base/ports'
import { TensorflowError, tensorflow } from '../../engine/tensorflow/c-api'
import { tensorflowContext } from '../../engine/tensorflow/context'
import { takeBytes } from '../../engine/tensorflow/protos'
import { withQuietStderr } from '../../engine/tensorflow/quiet'
import { serverDef } from '../../engine/tensorflow/server-def'
import type { Member } from './member'

/** After which silence a process counts as lost, in milliseconds. */
const heartbeatMs = 4000

/**
 * Joins; before any variable is made.
 * @throws ClusterError that says who did not come, or that the port is taken
 */
export async function joinCluster({ hosts, index, wait }: Member): Promise<void> {
  const [leader = ''] = hosts
  if (index > 0 && !(await listens(leader, wait)))
    // TensorFlow waits four seconds longer than it is asked to, if nothing is there
    throw new ClusterError(`worker ${index} of ${hosts.length} could not join: worker 0 (${leader}) did not come`)
  const { call, status, check } = tensorflow()
  const context = tensorflowContext()
  const joinMs = 1000 * (index === 0 ? wait : wait + 1) // worker 0, which counts them, says first who did not come
  const description = serverDef({ hosts, index, threads: context.threads, joinMs, heartbeatMs })
  withQuietStderr(() => call.TFE_EnableCollectiveOps(context.pointer, description, description.length, status))
  try {
    check()
  } catch (error) {
    throw new ClusterError(`worker ${index} of ${hosts.length} could not join: ${reasonOf(error, hosts, index)}`)
  }
}

/** What TensorFlow says of a cluster, in a sentence that names the worker. */
function reasonOf(error: unknown, hosts: readonly string[], index: number): string {
  const text = messageOf(error).replace(/\s+/g, ' ')
  const workers = [...new Set([...text.matchAll(/task:(\d+)/g)].map(([, task]) => Number(task)))].filter((task) => task !== index)
  const others = hosts.flatMap((host, task) => (task === index ? [] : [`worker ${task} (${host})`]))
  const named = workers.length > 0 ? workers.map((task) => `worker ${task} (${hosts[task] ?? 'of no such host'})`) : others
  if (/Could not start gRPC server/.test(text)) return `it cannot listen on ${hosts[index]}; is the port taken?`
  const unknown = workers.find((task) => task >= hosts.length)
  if (unknown !== undefined) return `another worker has a longer --cluster, with a worker ${unknown}; this one has ${hosts.length} hosts`
  if (/Unexpected task/.test(text)) return `worker 0 (${hosts[0]}) has a shorter --cluster, without a worker ${index}`
  const what = /heartbeat|unhealthy|preempt/i.test(text)
    ? 'no longer answers'
    : /timed? ?out|deadline/i.test(text)
      ? 'did not come'
      : 'was lost'
  return `${named.join(' or ')} ${what} (TensorFlow: ${text.slice(0, 200)})`
}

/** An error of a collective as what it is: the others were lost. Other errors stay as they are. */
export function asClusterError(error: unknown, { hosts, index }: Member): unknown {
  if (!(error instanceof TensorflowError)) return error
  return new ClusterError(`worker ${index} stopped: ${reasonOf(error, hosts, index)}`)
}

/**
 * Compares what all processes are about to train, through the runtime's key-value store.
 * @param facts by name: what must be the same in all processes
 * @throws ConfigError that names the worker, the fact and both values; in all processes
 */
export function compareFacts(member: Member, facts: Readonly<Record<string, string>>): void {
  const { hosts, index, wait } = member
  const { call, status, check } = tensorflow()
  const { pointer } = tensorflowContext()
  const publish = (what: string, value: string): void => {
    call.TFE_InsertConfigKeyValue(pointer, `makemoe/${what}/${index}`, value, status)
    check()
  }
  const ask = (what: string, worker: number, seconds: number): string => {
    const buffer = call.TF_NewBuffer()
    call.TFE_GetConfigKeyValue(pointer, `makemoe/${what}/${worker}`, 1000 * seconds, buffer, status)
    try {
      check()
      return Buffer.from(takeBytes(buffer)).toString()
    } catch (error) {
      throw asClusterError(error, member)
    }
  }
  publish('facts', JSON.stringify({ 'cluster size': String(hosts.length), ...facts }))
  let first: Record<string, string> | undefined
  for (const worker of hosts.keys()) {
    const theirs = JSON.parse(ask('facts', worker, wait)) as Record<string, string> // as published above
    first ??= theirs
    const difference = differenceOf(first, theirs)
    if (difference === undefined) continue
    publish('difference', difference)
    try {
      if (index === 0) for (const other of hosts.keys()) ask('difference', other, 2) // the store ends with worker 0
    } catch {} // another worker has ended already
    throw new ConfigError(`worker ${worker} has ${difference}`)
  }
}

/** The first fact that differs: `seed 7, worker 0 has 1337`; undefined if none does. */
export function differenceOf(first: Readonly<Record<string, string>>, theirs: Readonly<Record<string, string>>): string | undefined {
  const name = [...new Set([...Object.keys(first), ...Object.keys(theirs)])].find((name) => first[name] !== theirs[name])
  return name && `${name} ${theirs[name] ?? 'not set'}, worker 0 has ${first[name] ?? 'none'}`
}
