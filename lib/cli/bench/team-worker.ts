/** One of the processes that train together in the bench (workers.ts): `node team-worker.js REQUEST FILE --cluster HOSTS --worker I ...`. */
import { parseArgs } from 'node:util'
import { at } from '../../checked'
import { checkShares, type Parallelism } from '../../cluster/member'
import { join } from '../../cluster/membership'
import { ClusterTeam, shareOfStreams } from '../../cluster/team'
import { presets } from '../../config'
import { writeFileAtomic } from '../../files'
import { compile } from '../../graph/compile'
import { SparseMoELanguageModel } from '../../model/language-model'
import { createStreams } from '../../tensor/streams'
import { type Tensor, tf } from '../../tensor/tf'
import { AdamW } from '../../train/optimizers/adamw'
import { makeTrainStep } from '../../train/step'
import { endWithLauncher } from '../launcher'
import type { BenchSize } from './sizes'

export interface TeamRequest {
  readonly size: BenchSize
  readonly parallel: Parallelism
  readonly capacityFactor?: number
  /** Each is three steps together, then three of each process alone. */
  readonly rounds: number
}

/** What worker 0 has measured. */
export interface TeamAnswer {
  /** Milliseconds of each step. */
  readonly together: readonly number[]
  /** The same steps with each exchange left out: a process goes on with what it would have sent, and waits for nobody. */
  readonly alone: readonly number[]
  /** Bytes that this process sends in a step. */
  readonly bytesSent: number
}

async function measure(
  { size, parallel, capacityFactor, rounds }: TeamRequest,
  hosts: readonly string[],
  index: number,
): Promise<TeamAnswer> {
  const member = { hosts, index, wait: 60 }
  const config = { ...presets.makemoe, ...size, capacityFactor }
  checkShares(config, hosts.length, parallel)
  const several = hosts.length > 1
  if (several) await join(member)
  const rows = size.batchSize / hosts.length
  const streams = several ? shareOfStreams(createStreams(1), member, rows * size.blockSize) : createStreams(1)
  const model = new SparseMoELanguageModel({ ...config, vocabSize: 65 }, streams.init)
  const team = several ? new ClusterTeam(model, member, parallel) : undefined
  const parameters = model.namedParameters()
  const optimizer = new AdamW(team?.trained(parameters) ?? parameters)
  const stepOf = (team?: ClusterTeam) => {
    const step = makeTrainStep(model, optimizer, streams, false, team)
    return compile((x: Tensor, y: Tensor) => tf.addN(Object.values(step(x, y))))
  }
  const together = stepOf(team)
  const alone = several ? stepOf(new ClusterTeam(model, member, parallel, false)) : together
  const time = (step: typeof together): number => {
    const [x, y] = [streams.data.integers([rows, size.blockSize], 0, 65), streams.data.integers([rows, size.blockSize], 0, 65)]
    x.dataSync()
    y.dataSync()
    const start = performance.now()
    const result = step(x, y)
    result.dataSync()
    const milliseconds = performance.now() - start
    tf.dispose([x, y, result])
    return milliseconds
  }
  const times = { together: [] as number[], alone: [] as number[] }
  for (let round = -1; round < rounds; round++) {
    time(together) // all begin at the same time
    const measured = [time(together), time(together), time(together)]
    const without = [time(alone), time(alone), time(alone)]
    if (round < 0) continue // the first turn warms up
    times.together.push(...measured)
    times.alone.push(...without)
  }
  return { ...times, bytesSent: team?.bytesSent ?? 0 }
}

async function main(): Promise<void> {
  endWithLauncher()
  const options = {
    cluster: { type: 'string' },
    worker: { type: 'string' },
    wait: { type: 'string' },
    'trust-network': { type: 'boolean' },
  } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const index = Number(values.worker)
  const request = JSON.parse(at(positionals, 0)) as TeamRequest // the bench wrote it
  const answer = await measure(request, (values.cluster ?? '').split(','), index)
  if (index === 0) writeFileAtomic(at(positionals, 1), JSON.stringify(answer))
}

// A server of TensorFlow would keep the process alive; an error that nobody catches ends it.
if (require.main === module) void main().then(() => process.exit(0))
