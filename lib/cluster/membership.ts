/**
 * Membership: a process joins the others through TensorFlow's own server and coordination service, and all compare what they are about to
 * train. The server listens on all interfaces and trusts everybody: see cli/launcher.ts.
 */
import { messageOf } from '../checked'
import { ClusterError, ConfigError } from '../errors'
import { TensorflowError, tensorflow } from '../tensorflow/c-api'
import { tensorflowContext } from '../tensorflow/context'
import { takeBytes } from '../tensorflow/protos'
import { withQuietStderr } from '../tensorflow/quiet'
import { serverDef } from '../tensorflow/server-def'
import type { Member } from './options'

/** After which silence a process counts as lost, in milliseconds. */
const heartbeatMs = 4000

/**
 * Joins; before any variable is made.
 * @throws ClusterError that says who did not come, or that the port is taken
 */
export function join({ hosts, index, wait }: Member): void {
  const { call, status, check } = tensorflow()
  const context = tensorflowContext()
  const description = serverDef({ hosts, index, threads: context.threads, joinMs: 1000 * wait, heartbeatMs })
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
  if (/incarnation|size|mismatch|job.*not|unexpected|Invalid task/i.test(text) && /INTERNAL|INVALID/i.test(text)) return text
  const what = /heartbeat|unhealthy|preempt/i.test(text)
    ? 'no longer answers'
    : /timed? ?out|deadline/i.test(text)
      ? 'did not come'
      : 'was lost'
  return `${named.join(' or ')} ${what} (TensorFlow: ${text.slice(0, 200)})`
}

/** An error of a collective as what it is: the others were lost. Other errors stay as they are. */
export function lossOf(error: unknown, { hosts, index }: Member): unknown {
  if (!(error instanceof TensorflowError)) return error
  return new ClusterError(`worker ${index} stopped: ${reasonOf(error, hosts, index)}`)
}

/**
 * Compares what all processes are about to train, through the runtime's key-value store.
 * @param facts by name: what must be the same in all processes
 * @throws ConfigError that names the worker, the fact and both values; in all processes
 */
export function compareFacts({ hosts, index, wait }: Member, facts: Readonly<Record<string, string>>): void {
  const { call, status, check } = tensorflow()
  const { pointer } = tensorflowContext()
  const key = (worker: number): string => `makemoe/facts/${worker}`
  call.TFE_InsertConfigKeyValue(pointer, key(index), JSON.stringify(facts), status)
  check()
  const [first, ...rest] = hosts.map((_, worker): Record<string, string> => {
    const buffer = call.TF_NewBuffer()
    call.TFE_GetConfigKeyValue(pointer, key(worker), 1000 * wait, buffer, status)
    try {
      check()
    } catch (error) {
      throw lossOf(error, { hosts, index, wait })
    }
    return JSON.parse(Buffer.from(takeBytes(buffer)).toString()) as Record<string, string>
  })
  for (const [i, theirs] of rest.entries()) {
    const difference = differenceOf(first ?? {}, theirs)
    if (difference) throw new ConfigError(`worker ${i + 1} has ${difference}`)
  }
}

/** The first fact that differs: `seed 7, worker 0 has 1337`; undefined if none does. */
export function differenceOf(first: Readonly<Record<string, string>>, theirs: Readonly<Record<string, string>>): string | undefined {
  const name = [...new Set([...Object.keys(first), ...Object.keys(theirs)])].find((name) => first[name] !== theirs[name])
  return name && `${name} ${theirs[name] ?? 'not set'}, worker 0 has ${first[name] ?? 'none'}`
}
