/**
 * Sends the folder of a run to an MLflow server: `run.json`, `metrics.jsonl` and the artifacts are read from it; `mlflow.json` there notes
 * how far the sending came. Sending a line twice does no harm: MLflow keeps equal (key, time, step, value) once.
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileAtomic } from '../../base/files'
import type { MlflowClient, MlflowMetric, MlflowPair, MlflowRun } from './mlflow-client'
import { metricsFile, type RunRecord, readRunRecord } from './run-record'

const sentFile = 'mlflow.json'

/** Files of a run's folder that are sent when it has ended. */
const artifacts = ['config.json', 'sample.txt', 'loss.html', 'model.safetensors'] as const

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
    writeFileAtomic(join(this.folder, sentFile), `${JSON.stringify(this.sent, null, 2)}\n`)
  }

  /**
   * Sends what the server does not have yet.
   * @throws MlflowError; what was sent until then is noted
   */
  async send(): Promise<void> {
    const record = readRunRecord(this.folder)
    const run = this.sent.run ?? (await this.open(record))
    if (!this.sent.params) {
      await this.client.logBatch(run.id, { params: pairs(record.params) })
      this.note({ params: true })
    }
    await this.sendMetrics(run)
    const { status, ended } = record
    if (status && this.sent.status !== status) {
      await this.sendArtifacts(run)
      await this.client.updateRun(run.id, status, ended)
      this.note({ status })
    } else if (!status && this.sent.status) {
      await this.client.updateRun(run.id, 'RUNNING') // it was resumed
      this.note({ status: undefined, artifacts: [] })
    }
  }

  private async open({ id, name, started, tags }: RunRecord): Promise<MlflowRun> {
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
