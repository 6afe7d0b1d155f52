/**
 * MLflow's REST interface (2.0), as much of it as a run needs. Whatever a server answers, the result is checked values or an MlflowError,
 * and no secret is in it.
 */
import { z } from 'zod'
import { ConfigError } from '../../base/errors'

/** Where runs are sent. */
export interface MlflowServer {
  /** Without credentials. */
  readonly address: string
  readonly experiment: string
  /** The Authorization header, if any. */
  readonly authorization?: string | undefined
}

/** A request that failed: the server is not there, refuses, or answers what it should not. */
export class MlflowError extends Error {
  override name = 'MlflowError'
  constructor(
    message: string,
    /** MLflow's own code, RESOURCE_DOES_NOT_EXIST for one. */
    readonly code = '',
  ) {
    super(message)
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The server that the environment names: MLFLOW_TRACKING_URI with MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD;
 * `databricks` with DATABRICKS_HOST and DATABRICKS_TOKEN. MLFLOW_EXPERIMENT_NAME names the experiment.
 * @throws ConfigError if something is missing or no http address
 */
export function mlflowServer(env: Environment = process.env, uri: string | undefined = env.MLFLOW_TRACKING_URI): MlflowServer {
  if (uri === undefined || uri === '')
    throw new ConfigError('MLFLOW_TRACKING_URI: got nothing, expected http://host:port, https://host or databricks')
  const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  if (uri === 'databricks' || uri.startsWith('databricks://')) {
    const { DATABRICKS_HOST: host, DATABRICKS_TOKEN: token, MLFLOW_EXPERIMENT_NAME: experiment } = env
    if (!host || !token) throw new ConfigError('databricks: expected DATABRICKS_HOST and DATABRICKS_TOKEN in the environment')
    if (!experiment?.startsWith('/'))
      throw new ConfigError(`MLFLOW_EXPERIMENT_NAME: got ${experiment ?? 'nothing'}, expected an absolute path, which Databricks demands`)
    return { address: httpAddress(host.includes('://') ? host : `https://${host}`).address, experiment, authorization: `Bearer ${token}` }
  }
  const { address, user, password } = httpAddress(uri)
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: name = user, MLFLOW_TRACKING_PASSWORD: secret = password } = env
  const authorization = token ? `Bearer ${token}` : name ? basic(name, secret) : undefined
  return { address, experiment: env.MLFLOW_EXPERIMENT_NAME || 'makeMoE', authorization }
}

function httpAddress(uri: string): { address: string; user: string; password: string } {
  const parsed = URL.canParse(uri) ? new URL(uri) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new ConfigError(
      'MLFLOW_TRACKING_URI: expected http://host:port, https://host or databricks (what was got is not shown: it may hold a password)',
    )
  const user = decodeURIComponent(parsed.username)
  const password = decodeURIComponent(parsed.password)
  parsed.username = ''
  parsed.password = ''
  return { address: parsed.href.replace(/\/+$/, ''), user, password }
}

const answerLimit = 1_000_000

/** Reads an answer's body, but not without end. */
async function bodyOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > answerLimit) throw new MlflowError(`the MLflow server's answer is longer than ${answerLimit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const failureSchema = z.object({ error_code: z.string(), message: z.string().default('') })
const experimentSchema = z.object({ experiment: z.object({ experiment_id: z.string().min(1) }) })
const createdExperimentSchema = z.object({ experiment_id: z.string().min(1) })
const infoSchema = z.object({ run_id: z.string().min(1), artifact_uri: z.string().default('') })
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

/** One server, one connection at a time. */
export class MlflowClient {
  constructor(
    readonly server: MlflowServer,
    private readonly timeoutMs = 10_000,
  ) {}

  /** @throws MlflowError */
  private async request(method: string, path: string, body: string | Uint8Array<ArrayBuffer> | undefined, type: string): Promise<string> {
    const { address, authorization } = this.server
    const headers = { ...(body === undefined ? {} : { 'Content-Type': type }), ...(authorization ? { Authorization: authorization } : {}) }
    try {
      const signal = AbortSignal.timeout(this.timeoutMs)
      const response = await fetch(`${address}${path}`, { method, headers, body: body ?? null, signal, redirect: 'error' })
      const text = await bodyOf(response)
      if (response.ok) return text
      const failure = failureSchema.safeParse(parseJson(text))
      const said = failure.success ? `${failure.data.error_code}: ${failure.data.message.slice(0, 200)}` : 'no reason given'
      throw new MlflowError(`the MLflow server answered ${response.status} (${said})`, failure.data?.error_code)
    } catch (error) {
      const { message, cause, name } = error instanceof Error ? error : new Error(String(error))
      if (error instanceof MlflowError) throw new MlflowError(this.redacted(message), error.code)
      const reason =
        name === 'TimeoutError' ? `no answer within ${this.timeoutMs / 1000} s` : cause instanceof Error ? cause.message : message
      throw new MlflowError(this.redacted(`the MLflow server at ${address} was not reached: ${reason}`))
    }
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
      const { experiment } = await this.call(experimentSchema, 'GET', `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`)
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
  async putArtifact({ artifactUri }: MlflowRun, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const path = /^mlflow-artifacts:\/+(.*)$/.exec(artifactUri)?.[1]
    if (path === undefined) throw new MlflowError(`the run's artifacts are at ${artifactUri}, which only MLflow's own client can write to`)
    const address = `/api/2.0/mlflow-artifacts/artifacts/${path}/${encodeURIComponent(name)}`
    await this.request('PUT', address, bytes, 'application/octet-stream')
  }
}

function parseJson(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}
