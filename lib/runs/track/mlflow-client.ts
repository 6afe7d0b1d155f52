/**
 * MLflow's REST interface (2.0), as much of it as a run needs. Whatever a server answers, the result is checked values or an MlflowError,
 * and no secret is in it.
 */
import { statSync } from 'node:fs'
import { z } from 'zod'
import { messageOf } from '../../base/assertions'
import { type HttpAnswer, send } from './http'
import type { MlflowServer } from './mlflow-server'

/** A request that failed: the server is not there, refuses, or answers what it should not. */
export class MlflowError extends Error {
  override name = 'MlflowError'
  constructor(
    message: string,
    /** MLflow's own code, RESOURCE_DOES_NOT_EXIST for one. */
    readonly code = '',
    /** Of the server's answer; undefined if there was none. */
    readonly status?: number,
  ) {
    super(message)
  }
}

const answerLimit = 1_000_000

const failureSchema = z.object({ error_code: z.string(), message: z.string().default('') })
const experimentSchema = z.object({ experiment: z.object({ experiment_id: z.string().min(1) }) })
const createdExperimentSchema = z.object({ experiment_id: z.string().min(1) })
const infoSchema = z.object({
  run_id: z.string().min(1),
  artifact_uri: z.string().default(''),
  lifecycle_stage: z.string().default('active'),
})
const runSchema = z.object({ run: z.object({ info: infoSchema }) })
const runsSchema = z.object({ runs: z.array(z.object({ info: infoSchema })).default([]) })

export interface MlflowRun {
  readonly id: string
  readonly artifactUri: string
}

export interface MlflowMetric {
  readonly key: string
  readonly value: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly step: number
}

/** A name and its value, as MLflow lists parameters and tags. */
export interface MlflowPair {
  readonly key: string
  readonly value: string
}

/** What is sent with a request. */
type Body = string | { readonly file: string; readonly bytes: number }

export interface MlflowClientOptions {
  /** How long nothing may be sent or received, in milliseconds. Default 10,000. */
  readonly idleMs?: number
  /** Called when something was sent or received. */
  readonly onProgress?: () => void
}

/** One server, one connection at a time. */
export class MlflowClient {
  constructor(
    readonly server: MlflowServer,
    private readonly options: MlflowClientOptions = {},
  ) {}

  /** @throws MlflowError */
  private async request(method: string, path: string, body: Body | undefined, type: string): Promise<string> {
    const { address, authorization } = this.server
    const { idleMs = 10_000, onProgress } = this.options
    const headers = { ...(body === undefined ? {} : { 'Content-Type': type }), ...(authorization ? { Authorization: authorization } : {}) }
    let answer: HttpAnswer
    try {
      answer = await send({ method, url: `${address}${path}`, headers, body, idleMs, answerLimit, onProgress })
    } catch (error) {
      throw new MlflowError(this.redacted(`the MLflow server at ${address} was not reached: ${messageOf(error)}`))
    }
    const { status, body: text } = answer
    if (status >= 200 && status < 300) return text
    const failure = failureSchema.safeParse(parseJson(text))
    const said = failure.success ? `${failure.data.error_code}: ${failure.data.message.slice(0, 200)}` : 'no reason given'
    throw new MlflowError(this.redacted(`the MLflow server answered ${status} (${said})`), failure.data?.error_code, status)
  }

  /** A text without the secret, should a server send it back. */
  private redacted(text: string): string {
    const { authorization } = this.server
    if (!authorization) return text
    const secret = authorization.replace(/^\w+ /, '')
    const parts = authorization.startsWith('Basic')
      ? [
          secret,
          Buffer.from(secret, 'base64')
            .toString()
            .replace(/^[^:]*:/, ''),
        ]
      : [secret]
    return parts.filter((part) => part !== '').reduce((clean, part) => clean.replaceAll(part, '***'), text)
  }

  private async call<T>(schema: z.ZodType<T>, method: 'GET' | 'POST', endpoint: string, body?: object): Promise<T> {
    const text = await this.request(method, `/api/2.0/mlflow/${endpoint}`, body && JSON.stringify(body), 'application/json')
    const parsed = schema.safeParse(parseJson(text))
    if (!parsed.success) throw new MlflowError(`the MLflow server's answer to ${endpoint.split('?')[0]} is not what MLflow answers`)
    return parsed.data
  }

  /** The experiment's number; it is made if it is not there. */
  async experiment(): Promise<string> {
    const name = this.server.experiment
    const find = async (): Promise<string> => {
      const { experiment } = await this.call(
        experimentSchema,
        'GET',
        `experiments/get-by-name?${new URLSearchParams({ experiment_name: name })}`,
      )
      return experiment.experiment_id
    }
    try {
      return await find()
    } catch (error) {
      if (!(error instanceof MlflowError) || error.code !== 'RESOURCE_DOES_NOT_EXIST') throw error
    }
    try {
      return (await this.call(createdExperimentSchema, 'POST', 'experiments/create', { name })).experiment_id
    } catch (error) {
      if (error instanceof MlflowError && error.code === 'RESOURCE_ALREADY_EXISTS') return await find() // somebody was quicker
      throw error
    }
  }

  /** The run with a tag, if there is one. */
  async findRun(experimentId: string, tag: string, value: string): Promise<MlflowRun | undefined> {
    const filter = `tags.\`${tag}\` = '${value}'`
    const { runs } = await this.call(runsSchema, 'POST', 'runs/search', { experiment_ids: [experimentId], filter, max_results: 1 })
    return runs[0] && { id: runs[0].info.run_id, artifactUri: runs[0].info.artifact_uri }
  }

  /** A run, unless it was deleted or its server lost it. */
  async getRun(id: string): Promise<MlflowRun | undefined> {
    try {
      const { info } = (await this.call(runSchema, 'GET', `runs/get?${new URLSearchParams({ run_id: id })}`)).run
      return info.lifecycle_stage === 'active' ? { id, artifactUri: info.artifact_uri } : undefined
    } catch (error) {
      if (error instanceof MlflowError && error.code === 'RESOURCE_DOES_NOT_EXIST') return undefined
      throw error
    }
  }

  async createRun(experimentId: string, name: string, startTime: number, tags: readonly MlflowPair[]): Promise<MlflowRun> {
    const body = { experiment_id: experimentId, run_name: name, start_time: startTime, tags }
    const { run } = await this.call(runSchema, 'POST', 'runs/create', body)
    return { id: run.info.run_id, artifactUri: run.info.artifact_uri }
  }

  async logBatch(runId: string, batch: { metrics?: readonly MlflowMetric[]; params?: readonly MlflowPair[] }): Promise<void> {
    await this.call(z.object({}), 'POST', 'runs/log-batch', { run_id: runId, ...batch })
  }

  async updateRun(runId: string, status: string, endTime?: number): Promise<void> {
    await this.call(z.object({}), 'POST', 'runs/update', { run_id: runId, status, ...(endTime === undefined ? {} : { end_time: endTime }) })
  }

  /** Uploads a file, where the server keeps artifacts itself. */
  async putArtifact({ artifactUri }: MlflowRun, name: string, file: string): Promise<void> {
    const path = /^mlflow-artifacts:\/(?!\/)(.*)$/.exec(artifactUri)?.[1]
    if (path === undefined || /\p{Surrogate}/u.test(path))
      throw new MlflowError(`the run's artifacts are at ${artifactUri}, which only MLflow's own client can write to`, 'NOT_SERVED', 0)
    const address = [...path.split('/'), name].map(encodeURIComponent).join('/')
    const body = { file, bytes: statSync(file).size }
    await this.request('PUT', `/api/2.0/mlflow-artifacts/artifacts/${address}`, body, 'application/octet-stream')
  }
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}
