/** ServerDef (tensorflow_server.proto): the cluster that a context joins, with the ConfigProto of its coordination service. */
import { Field, Root, Type } from 'protobufjs/light'
import type { Threads } from './protos'

export interface ClusterDescription {
  /** `host:port` of each process. */
  readonly hosts: readonly string[]
  /** Which of them this process is. */
  readonly index: number
  readonly threads: Threads
  /** How long the others are waited for, in milliseconds. */
  readonly joinMs: number
  /** After which silence a process counts as lost, in milliseconds. */
  readonly heartbeatMs: number
}

const message = (name: string, ...fields: readonly [field: string, id: number, type: string, repeated?: 'repeated'][]): Type => {
  const type = new Type(name)
  for (const [field, id, of, rule] of fields) type.add(new Field(field, id, of, rule))
  return type
}

/** Encodes it. */
export function serverDef({ hosts, index, threads, joinMs, heartbeatMs }: ClusterDescription): Uint8Array {
  const server = message(
    'ServerDef',
    ['cluster', 1, 'ClusterDef'],
    ['jobName', 2, 'string'],
    ['taskIndex', 3, 'int32'],
    ['config', 4, 'ConfigProto'],
    ['protocol', 5, 'string'],
  )
  const types = [
    server,
    message('ClusterDef', ['job', 1, 'JobDef', 'repeated']),
    message('JobDef', ['name', 1, 'string'], ['tasks', 2, 'Task', 'repeated']),
    message('Task', ['key', 1, 'int32'], ['value', 2, 'string']), // an entry of a map
    message(
      'ConfigProto',
      ['intraOpParallelismThreads', 2, 'int32'],
      ['deviceFilters', 4, 'string', 'repeated'],
      ['interOpParallelismThreads', 5, 'int32'],
      ['experimental', 16, 'Experimental'],
    ),
    message('Experimental', ['collectiveGroupLeader', 1, 'string'], ['coordinationConfig', 23, 'CoordinationServiceConfig']),
    message(
      'CoordinationServiceConfig',
      ['serviceType', 1, 'string'],
      ['serviceLeader', 2, 'string'],
      ['enableHealthCheck', 3, 'bool'],
      ['clusterRegisterTimeoutInMs', 4, 'int64'],
      ['heartbeatTimeoutInMs', 5, 'int64'],
      ['coordinatedJobList', 10, 'CoordinatedJob', 'repeated'],
      ['clusterRegisterWithBarrier', 14, 'bool'],
    ),
    message('CoordinatedJob', ['name', 1, 'string'], ['numTasks', 2, 'int32']),
  ]
  const root = new Root()
  for (const type of types) root.add(type)
  const leader = '/job:worker/replica:0/task:0'
  const values = {
    cluster: { job: [{ name: 'worker', tasks: hosts.map((value, key) => ({ key, value })) }] },
    jobName: 'worker',
    taskIndex: index,
    protocol: 'grpc',
    config: {
      intraOpParallelismThreads: threads.intraOp,
      interOpParallelismThreads: threads.interOp,
      deviceFilters: [`/job:worker/task:${index}`],
      experimental: {
        collectiveGroupLeader: leader,
        coordinationConfig: {
          serviceType: 'standalone',
          serviceLeader: leader,
          enableHealthCheck: true,
          clusterRegisterTimeoutInMs: joinMs,
          heartbeatTimeoutInMs: heartbeatMs,
          coordinatedJobList: [{ name: 'worker', numTasks: hosts.length }],
          clusterRegisterWithBarrier: true,
        },
      },
    },
  }
  return server.encode(server.fromObject(values)).finish()
}
