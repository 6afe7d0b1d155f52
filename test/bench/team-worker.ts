/** One of the processes that train together in the bench (workers.ts): `node team-worker.js REQUEST FILE --cluster HOSTS --worker I ...`. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { at } from 'makemoe/dist/base/assertions'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { mean } from 'makemoe/dist/base/numbers'
import { endWithLauncher } from 'makemoe/dist/cli/launcher'
import { corpusOf } from 'makemoe/dist/cli/text-option'
import { compile } from 'makemoe/dist/engine/graph/compile'
import { createStreams, type Streams } from 'makemoe/dist/engine/tensor/streams'
import { type Tensor, tf } from 'makemoe/dist/engine/tensor/tf'
import type { Config } from 'makemoe/dist/makemoe/config'
import type { SparseMoELanguageModel } from 'makemoe/dist/makemoe/model/language-model'
import { AdamW } from 'makemoe/dist/makemoe/optim/adamw'
import { presets } from 'makemoe/dist/makemoe/presets'
import { Dataset, datasetOf } from 'makemoe/dist/makemoe/text/dataset'
import { makeTrainStep, type TrainStep } from 'makemoe/dist/makemoe/train/step'
import { buildModel, loadWeights } from 'makemoe/dist/runs/checkpoint'
import { checkShares, type Parallelism } from 'makemoe/dist/runs/cluster/member'
import { joinCluster } from 'makemoe/dist/runs/cluster/membership'
import { ClusterTeam, shareOfDataset, shareOfStreams } from 'makemoe/dist/runs/cluster/team'
import type { BenchSize } from './sizes'

export interface TeamRequest {
  /** What differs from the original's settings. */
  readonly size: BenchSize & Partial<Config>
  /** A folder with weights, which are measured on batches of their text; absent: new ones, on random tokens. */
  readonly checkpoint?: string
  /** That of the checkpoint; default: 65, as in the default text. */
  readonly vocabSize?: number
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
  /** The share of all rows that the process with the most of them computes, mean over layers and turns; 1/n if the load is even. */
  readonly busiest: number
}

/** The model, and the batches that each process takes its share of. */
async function subject(
  { checkpoint, vocabSize = 65 }: TeamRequest,
  config: Config,
  { init }: Streams,
): Promise<{ model: SparseMoELanguageModel; dataset: Dataset }> {
  const model = buildModel(config, vocabSize, init)
  if (checkpoint === undefined) {
    const random = Int32Array.from(createStreams(2).data.integers([10_000], 0, vocabSize).dataSync())
    return { model, dataset: new Dataset(random, config.blockSize) }
  }
  const { tokenizer, text } = loadWeights(checkpoint, model)
  return { model, dataset: datasetOf(tokenizer, await corpusOf({}, text), config.blockSize) }
}

/** The share of the busiest process, of a layer's load by expert: [E] */
function busiestShare(load: Tensor, processes: number): number {
  const rows = tf.tidy(() => [...tf.sum(tf.reshape(load, [processes, -1]), 1).dataSync()])
  return Math.max(...rows) / rows.reduce((sum, count) => sum + count, 0)
}

/** Rows that each expert serves of the whole batch in a training step, by layer: [E] each. */
function loadOfLayers(model: SparseMoELanguageModel, x: Tensor, y: Tensor, streams: Streams, team?: ClusterTeam): Record<string, Tensor> {
  team?.begin('load')
  return tf.tidy(() => {
    const loads: Record<string, Tensor> = {}
    const report = (name: string, value: Tensor): void => {
      if (/^routing\/layer_\d+\/load$/.test(name)) loads[name] = tf.keep(tf.clone(value))
    }
    model.loss(x, y, { training: true, streams, report, share: team?.share })
    return loads
  })
}

async function measure(request: TeamRequest, hosts: readonly string[], index: number): Promise<TeamAnswer> {
  const { size, parallel, capacityFactor, rounds } = request
  const member = { hosts, index, wait: 60 }
  const config = { ...presets.makemoe, ...size, capacityFactor }
  checkShares(config, hosts.length, parallel)
  const several = hosts.length > 1
  if (several) await joinCluster(member)
  const streams = several ? shareOfStreams(createStreams(1), member, (size.batchSize / hosts.length) * size.blockSize) : createStreams(1)
  const { model, dataset } = await subject(request, config, streams)
  const batches = several ? shareOfDataset(dataset, member) : dataset
  const team = several ? new ClusterTeam(model, member, parallel) : undefined
  const parameters = model.namedParameters()
  // It stays as it is: processes that go on alone would each learn something else.
  const optimizer = new AdamW(team?.trained(parameters) ?? parameters, { learningRate: 0 })
  const stepOf = (team?: ClusterTeam) => compile(makeTrainStep(model, optimizer, streams, team ? { team } : {}))
  const together = stepOf(team)
  const alone = several ? stepOf(new ClusterTeam(model, member, parallel, false)) : together
  const loads = compile((x: Tensor, y: Tensor) => loadOfLayers(model, x, y, streams, team))
  /** Milliseconds of a step on a new batch; what it reports goes to `read`. */
  const time = (step: TrainStep, read?: (results: readonly Tensor[]) => void): number => {
    const { x, y } = batches.randomBatch('train', size.batchSize, streams.data)
    const start = performance.now()
    const results = Object.values(step(x, y))
    for (const result of results) result.dataSync()
    const milliseconds = performance.now() - start
    read?.(results)
    tf.dispose([x, y, ...results])
    return milliseconds
  }
  const times = { together: [] as number[], alone: [] as number[] }
  const shares: number[] = []
  time(together)
  const bytesSent = team?.bytesSent ?? 0
  for (let round = -1; round < rounds; round++) {
    time(loads, (layers) => {
      if (parallel === 'experts') shares.push(...layers.map((load) => busiestShare(load, hosts.length)))
    }) // and all begin at the same time
    const measured = [time(together), time(together), time(together)]
    const without = [time(alone), time(alone), time(alone)]
    if (round < 0) continue // the first turn warms up
    times.together.push(...measured)
    times.alone.push(...without)
  }
  return { ...times, bytesSent, busiest: parallel === 'experts' ? mean(shares) : 1 }
}

/**
 * Binds this process to its share of the cores, as a device has its own: else who waits would lend its cores to who computes. Before TensorFlow
 * makes threads; where there is no `taskset`, or fewer cores than processes, they share them.
 */
function keepToOwnCores(index: number, processes: number): void {
  if (process.platform !== 'linux') return
  const [, list = ''] = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  const allowed = list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  const each = Math.floor(allowed.length / processes)
  if (each === 0) return
  spawnSync('taskset', ['-acp', allowed.slice(index * each, (index + 1) * each).join(), String(process.pid)], { stdio: 'ignore' })
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
  const hosts = (values.cluster ?? '').split(',')
  keepToOwnCores(index, hosts.length)
  const request = JSON.parse(at(positionals, 0)) as TeamRequest // the bench wrote it
  const answer = await measure(request, hosts, index)
  if (index === 0) writeFileAtomic(at(positionals, 1), JSON.stringify(answer))
}

// A server of TensorFlow would keep the process alive; an error that nobody catches ends it.
if (require.main === module) void main().then(() => process.exit(0))
