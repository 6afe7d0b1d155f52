/**
 * Runs on an MLflow server. What is sent is read from the run's folder: `run.json`, `metrics.jsonl` and the artifacts; `mlflow.json` there
 * notes how far the sending came. So training waits for no server, memory stays small, nothing is lost while a server is away, and
 * `npm run mlflow -- --sync` sends the rest later. Sending a line twice does no harm: MLflow keeps equal (key, time, step, value) once.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import type { Config } from '../config'
import { RunError } from '../errors'
import { writeFileWhole } from '../files'
import { MlflowClient, type MlflowMetric, type MlflowPair, type MlflowRun, type MlflowServer } from './mlflow-client'
import { JsonLinesTracker, type Metrics, type RunStatus, type Tracker } from './tracker'

const descriptionSchema = z.object({
  /** Names the run wherever it is sent. */
  id: z.string().regex(/^[\w-]+$/),
  name: z.string(),
  /** Milliseconds since 1970. */
  started: z.number(),
  ended: z.number().optional(),
  status: z.enum(['FINISHED', 'FAILED', 'KILLED']).optional(),
  params: z.record(z.string(), z.string()),
  tags: z.record(z.string(), z.string()),
})

/** What `run.json` says. */
export type RunDescription = z.infer<typeof descriptionSchema>

const runFile = 'run.json'
const sentFile = 'mlflow.json'
export const metricsFile = 'metrics.jsonl'

/** Files of a run's folder that are sent when it has ended. */
const artifacts = ['config.json', 'sample.txt', 'loss.html', 'model.safetensors'] as const

export function writeRunDescription(folder: string, description: RunDescription): void {
  writeFileWhole(join(folder, runFile), `${JSON.stringify(description, null, 2)}\n`)
}

/** @throws RunError if the folder is no run's */
export function readRunDescription(folder: string): RunDescription {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(join(folder, runFile), 'utf8'))
  } catch {
    throw new RunError(`got ${folder}, expected a run folder with a readable ${runFile}`)
  }
  const parsed = descriptionSchema.safeParse(json)
  if (!parsed.success) throw new RunError(`${join(folder, runFile)} does not describe a run`)
  return parsed.data
}

/** Notes how a run ended. */
export function noteEnd(folder: string, status: RunStatus): void {
  writeRunDescription(folder, { ...readRunDescription(folder), status, ended: Date.now() })
}

const sentSchema = z.object({
  address: z.string(),
  run: z.object({ id: z.string(), artifactUri: z.string() }).optional(),
  params: z.boolean(),
  /** Bytes of metrics.jsonl that the server has. */
  metrics: z.number().int().min(0),
  artifacts: z.array(z.string()),
  status: z.string().optional(),
})
type Sent = z.infer<typeof sentSchema>

const metricsPerRequest = 1000
const bytesPerRead = 1 << 18

/** Sends one run's folder, bit by bit, to one server. */
export class MlflowSync {
  private sent: Sent

  constructor(
    private readonly folder: string,
    private readonly client: MlflowClient,
  ) {
    const { address } = client.server
    const fresh: Sent = { address, params: false, metrics: 0, artifacts: [] }
    const path = join(folder, sentFile)
    const before = existsSync(path) ? sentSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))) : undefined
    this.sent = before?.success && before.data.address === address ? before.data : fresh
  }

  private note(change: Partial<Sent>): void {
    this.sent = { ...this.sent, ...change }
    writeFileWhole(join(this.folder, sentFile), `${JSON.stringify(this.sent, null, 2)}\n`)
  }

  /**
   * Sends what the server does not have yet.
   * @throws MlflowError; what was sent until then is noted
   */
  async send(): Promise<void> {
    const description = readRunDescription(this.folder)
    const run = this.sent.run ?? (await this.open(description))
    if (!this.sent.params) {
      await this.client.logBatch(run.id, { params: pairs(description.params) })
      this.note({ params: true })
    }
    await this.sendMetrics(run)
    const { status, ended } = description
    if (status && this.sent.status !== status) {
      await this.sendArtifacts(run)
      await this.client.updateRun(run.id, status, ended)
      this.note({ status })
    } else if (!status && this.sent.status) {
      await this.client.updateRun(run.id, 'RUNNING') // it goes on after all
      this.note({ status: undefined, artifacts: [] })
    }
  }

  private async open({ id, name, started, tags }: RunDescription): Promise<MlflowRun> {
    const experiment = await this.client.experiment()
    // A run may have been made by a process that ended before it could note that.
    const run =
      (await this.client.findRun(experiment, 'makemoe.id', id)) ??
      (await this.client.createRun(experiment, name, started, pairs({ ...tags, 'makemoe.id': id })))
    this.note({ run })
    return run
  }

  /** Sends the metrics that are there now; what a training writes meanwhile is for the next time, so that requests are few and large. */
  private async sendMetrics({ id }: MlflowRun): Promise<void> {
    const file = join(this.folder, metricsFile)
    const there = existsSync(file) ? statSync(file).size : 0
    while (this.sent.metrics < there) {
      const lines = readLines(file, this.sent.metrics)
      if (lines.length === 0) return
      // As many whole lines as fit into one request.
      const batch: MlflowMetric[] = []
      let bytes = 0
      for (const line of lines) {
        const metrics = metricsOf(line)
        if (batch.length > 0 && batch.length + metrics.length > metricsPerRequest) break
        batch.push(...metrics)
        bytes += Buffer.byteLength(line) + 1
      }
      for (let i = 0; i < batch.length; i += metricsPerRequest)
        await this.client.logBatch(id, { metrics: batch.slice(i, i + metricsPerRequest) })
      this.note({ metrics: this.sent.metrics + bytes })
    }
  }

  private async sendArtifacts(run: MlflowRun): Promise<void> {
    for (const name of artifacts) {
      const file = join(this.folder, name)
      if (!existsSync(file) || this.sent.artifacts.includes(name)) continue
      await this.client.putArtifact(run, name, new Uint8Array(readFileSync(file)))
      this.note({ artifacts: [...this.sent.artifacts, name] })
    }
  }
}

const pairs = (record: Readonly<Record<string, string>>): MlflowPair[] =>
  Object.entries(record).map(([key, value]) => ({ key, value: value.slice(0, 500) }))

/** Whole lines of a file from a byte on, not too many at a time. */
function readLines(file: string, from: number): string[] {
  if (!existsSync(file)) return []
  const descriptor = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(bytesPerRead)
    const length = readSync(descriptor, buffer, 0, bytesPerRead, from)
    const end = buffer.subarray(0, length).lastIndexOf(10)
    return end < 0 ? [] : buffer.toString('utf8', 0, end).split('\n')
  } finally {
    closeSync(descriptor)
  }
}

function metricsOf(line: string): MlflowMetric[] {
  let numbers: Record<string, unknown>
  try {
    numbers = JSON.parse(line) as Record<string, unknown>
  } catch {
    return [] // a damaged line is not the server's business
  }
  const { step, time, ...rest } = numbers
  return Object.entries(rest)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]))
    .map(([key, value]) => ({ key, value, timestamp: Number(time), step: Number(step) }))
}

export interface MlflowTrackerOptions {
  /** Told once when the server does not take what is sent, and at the end if something is left. */
  readonly warn: (message: string) => void
  /** Least time between two attempts, in milliseconds; doubles with each failure up to a minute. Default 5,000. */
  readonly intervalMs?: number
  /** How long the end of a run waits for the server, in milliseconds. Default 15,000. */
  readonly patienceMs?: number
}

/** Writes JSON lines, and sends them on in the background. */
export class MlflowTracker implements Tracker {
  private readonly sync: MlflowSync
  private sending: Promise<unknown> | undefined
  private next = 0
  private failures = 0

  constructor(
    private readonly lines: JsonLinesTracker,
    private readonly folder: string,
    client: MlflowClient,
    private readonly options: MlflowTrackerOptions,
  ) {
    this.sync = new MlflowSync(folder, client)
  }

  log(metric: Metrics): void {
    this.lines.log(metric)
    if (!this.sending && Date.now() >= this.next) {
      this.sending = this.send().finally(() => {
        this.sending = undefined
      })
    }
  }

  /** One attempt. Never throws: training is more important. */
  private async send(): Promise<boolean> {
    const { warn, intervalMs = 5000 } = this.options
    try {
      await this.sync.send()
      this.failures = 0
      this.next = Date.now() + intervalMs
      return true
    } catch (error) {
      if (this.failures++ === 0)
        warn(`MLflow: ${(error as Error).message}; training goes on, and what was not sent waits in ${this.folder}`)
      this.next = Date.now() + Math.min(60_000, intervalMs * 2 ** this.failures)
      return false
    }
  }

  /** Ends the run: its status is noted, and the rest is sent if the server is there. */
  async close(status: RunStatus = 'FINISHED'): Promise<void> {
    await this.lines.close()
    noteEnd(this.folder, status)
    const finish = async (): Promise<boolean> => {
      await this.sending
      return this.send()
    }
    const { warn, patienceMs = 15_000 } = this.options
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), patienceMs)
    })
    const done = await Promise.race([finish(), patience])
    clearTimeout(timer)
    if (!done) warn(`MLflow: not everything was sent; npm run mlflow -- --sync ${this.folder} sends the rest`)
  }
}

/** A config as parameters: the original's under its names, and ours. */
function paramsOf(config: Partial<Config>, device: string): Record<string, string> {
  const { batchSize, blockSize, steps, evalInterval, learningRate, evalIters, dropout, numExperts, topK, ...ours } = config
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const all = {
    batch_size: batchSize,
    block_size: blockSize,
    max_iters: steps,
    eval_interval: evalInterval,
    learning_rate: learningRate,
    device,
    eval_iters: evalIters,
    dropout,
    num_experts: numExperts,
    top_k: topK,
    ...Object.fromEntries(Object.entries(ours).map(([name, value]) => [snake(name), value])),
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])))
}

export interface OpenTrackerOptions {
  readonly config: Partial<Config>
  readonly tags?: Readonly<Record<string, string>>
  /** Absent: JSON lines alone. */
  readonly server?: MlflowServer | undefined
  /** Told when the server does not take what is sent. */
  readonly warn?: (message: string) => void
}

/**
 * The tracker of a run's folder: JSON lines always, MLflow if there is a server. A run that goes on keeps its description.
 * @throws RunError if the folder cannot be written to
 */
export function openTracker(folder: string, { config, tags = {}, server, warn = console.log }: OpenTrackerOptions): Tracker {
  if (existsSync(join(folder, runFile))) {
    const { status: _status, ended: _ended, ...description } = readRunDescription(folder)
    writeRunDescription(folder, description)
  } else {
    const params = paramsOf(config, tags.device ?? 'cpu')
    writeRunDescription(folder, { id: randomUUID(), name: basename(folder), started: Date.now(), params, tags: { ...tags } })
  }
  const lines = new JsonLinesTracker(join(folder, metricsFile))
  return server ? new MlflowTracker(lines, folder, new MlflowClient(server), { warn }) : new EndNotingTracker(lines, folder)
}

/** JSON lines, and the end of the run in `run.json`, for a server that may come later. */
class EndNotingTracker implements Tracker {
  constructor(
    private readonly lines: JsonLinesTracker,
    private readonly folder: string,
  ) {}

  log(metric: Metrics): void {
    this.lines.log(metric)
  }

  async close(status: RunStatus = 'FINISHED'): Promise<void> {
    await this.lines.close()
    noteEnd(this.folder, status)
  }
}
