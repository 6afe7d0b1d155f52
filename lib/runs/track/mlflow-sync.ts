/**
 * Sends the folder of a run to an MLflow server: `run.json`, `metrics.jsonl` and the artifacts are read from it; `mlflow.json` there notes
 * how far the sending came. Sending a line twice does no harm: MLflow keeps equal (key, time, step, value) once.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { writeFileAtomic } from '../../base/files'
import { metricOf, metricsFile, readLines } from './metrics-file'
import { type MlflowClient, MlflowError, type MlflowMetric, type MlflowPair, type MlflowRun } from './mlflow-client'
import { acceptable, acceptablePairs, makeTagged, sendNamed } from './mlflow-rules'
import { type RunRecord, readRunRecord } from './run-record'

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
/** Ten of the longest that MLflow takes are far below the megabyte that a request may have. */
const paramsPerRequest = 10

/** Sends one run's folder, bit by bit, to one server. */
export class MlflowSync {
  private sent: Sent
  /** Whether the server was asked if it still has the run. */
  private asked = false
  private readonly noted = new Set<string>()
  /** Files that the server did not take, and is not asked to take again. */
  private readonly refused = new Set<string>()

  /** @param note takes what a person should know, each sentence once */
  constructor(
    private readonly folder: string,
    private readonly client: MlflowClient,
    private readonly note: (sentence: string) => void,
  ) {
    const path = join(folder, sentFile)
    const before = existsSync(path) ? sentSchema.safeParse(parsed(readFileSync(path, 'utf8'))) : undefined
    this.sent = before?.success && before.data.address === client.server.address ? before.data : this.nothing()
  }

  private nothing(): Sent {
    return { address: this.client.server.address, params: false, metrics: 0, artifacts: [] }
  }

  private keep(change: Partial<Sent>): void {
    this.sent = { ...this.sent, ...change }
    writeFileAtomic(join(this.folder, sentFile), `${JSON.stringify(this.sent, null, 2)}\n`)
  }

  private say(sentence: string): void {
    if (!this.noted.has(sentence)) this.note(sentence)
    this.noted.add(sentence)
  }

  /**
   * Sends what the server does not have yet.
   * @returns whether it has all of the run; false if it does not take some of the files
   * @throws MlflowError; what was sent until then is recorded
   */
  async send(): Promise<boolean> {
    try {
      return await this.sendRest()
    } catch (error) {
      // Refused perhaps because the run was deleted meanwhile.
      if (!(error instanceof MlflowError) || error.status === undefined || !this.asked || !this.sent.run) throw error
      this.asked = false
      const { id } = this.sent.run
      if ((await this.present())?.id === id) throw error
      return await this.sendRest()
    }
  }

  private async sendRest(): Promise<boolean> {
    const record = readRunRecord(this.folder)
    const run = (await this.present()) ?? (await this.open(record))
    if (!this.sent.params) {
      const params = acceptablePairs('parameter', record.params, (sentence) => this.say(sentence))
      const send = (params: readonly MlflowPair[]) => this.client.logBatch(run.id, { params })
      for (let i = 0; i < params.length; i += paramsPerRequest)
        await sendNamed('parameter', params.slice(i, i + paramsPerRequest), send, (sentence) => this.say(sentence))
      this.keep({ params: true })
    }
    await this.sendMetrics(run)
    const { status, ended } = record
    if (status && this.sent.status !== status) {
      await this.client.updateRun(run.id, status, ended)
      this.keep({ status })
    } else if (!status && this.sent.status) {
      await this.client.updateRun(run.id, 'RUNNING') // it was resumed
      this.keep({ status: undefined, artifacts: [] })
    }
    if (status) await this.sendArtifacts(run)
    return this.refused.size === 0
  }

  /** The run on the server; what is recorded of another one is forgotten. */
  private async present(): Promise<MlflowRun | undefined> {
    const { run } = this.sent
    if (!run || this.asked) return run
    const there = await this.client.getRun(run.id)
    this.asked = true
    if (there) return run
    this.say('the server no longer has this run; it is sent again, as a new run')
    this.sent = this.nothing()
    return undefined
  }

  private async open({ id, name, started, tags }: RunRecord): Promise<MlflowRun> {
    const experiment = await this.client.experiment()
    const all = { ...tags, 'makemoe.id': id }
    // A run may have been made by a process that ended before it could record that.
    const run =
      (await this.client.findRun(experiment, 'makemoe.id', id)) ??
      (await makeTagged(
        acceptablePairs('tag', all, (sentence) => this.say(sentence)),
        (tags) => this.client.createRun(experiment, name, started, tags),
        (sentence) => this.say(sentence),
      ))
    this.asked = true
    this.keep({ run })
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
        const metrics = metricsOf(line).filter(({ key }) => acceptable('metric', key, '', (sentence) => this.say(sentence)))
        if (batch.length > 0 && batch.length + metrics.length > metricsPerRequest) break
        batch.push(...metrics)
        bytes += Buffer.byteLength(line) + 1
      }
      const send = (metrics: readonly MlflowMetric[]) => this.client.logBatch(id, { metrics })
      for (let i = 0; i < batch.length; i += metricsPerRequest)
        await sendNamed('metric', batch.slice(i, i + metricsPerRequest), send, (sentence) => this.say(sentence))
      this.keep({ metrics: this.sent.metrics + bytes })
    }
  }

  /** Sends the files; a server that does not take them has the run all the same. */
  private async sendArtifacts(run: MlflowRun): Promise<void> {
    let reason = ''
    for (const name of artifacts) {
      const file = join(this.folder, name)
      if (!existsSync(file) || this.sent.artifacts.includes(name) || this.refused.has(name)) continue
      try {
        await this.client.putArtifact(run, name, file)
        this.keep({ artifacts: [...this.sent.artifacts, name] })
      } catch (error) {
        if (!(error instanceof MlflowError) || error.status === undefined) throw error
        this.refused.add(name)
        reason ||= error.message
      }
    }
    if (reason !== '') this.say(`${[...this.refused].join(', ')} stay in ${this.folder} alone: ${reason}`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The numbers in a line, as MLflow takes them; none if it is damaged, which is not the server's business. */
function metricsOf(line: string): MlflowMetric[] {
  const { step = 0, time = 0, ...numbers } = metricOf(line) ?? {}
  return Object.entries(numbers).flatMap(([key, value]) =>
    value !== undefined && Number.isFinite(value) ? [{ key, value, timestamp: time, step }] : [],
  )
}
