/** Against a server that misbehaves; the real one is in real-mlflow.mjs. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { ConfigError, presets, RunError } from 'makemoe'
import { MlflowTracker } from 'makemoe/dist/runs/track/mlflow'
import { MlflowClient, MlflowError, mlflowServer } from 'makemoe/dist/runs/track/mlflow-client'
import { MlflowSync } from 'makemoe/dist/runs/track/mlflow-sync'
import { readRunRecord, writeRunRecord } from 'makemoe/dist/runs/track/run-record'
import { openTracker } from 'makemoe/dist/runs/track/trackers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

interface Request {
  readonly path: string
  readonly method: string
  readonly authorization: string | undefined
  readonly body: Record<string, never>
}

let server: Server
let address = ''
const requests: Request[] = []
/** What the server answers. */
let answer: (request: Request, response: ServerResponse) => void = () => {}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const text = await bodyOf(request)
    let body = {}
    try {
      body = JSON.parse(text)
    } catch {}
    const seen = { path: request.url ?? '', method: request.method ?? '', authorization: request.headers.authorization, body } as Request
    requests.push(seen)
    answer(seen, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())

const json = (response: ServerResponse, status: number, value: unknown): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(value))
}

/** A server that works. */
const working = ({ path }: Request, response: ServerResponse): void => {
  const info = { run_id: 'r1', artifact_uri: 'mlflow-artifacts:/0/r1/artifacts' }
  if (path.includes('experiments/get-by-name')) json(response, 404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no' })
  else if (path.includes('experiments/create')) json(response, 200, { experiment_id: '7' })
  else if (path.includes('runs/search')) json(response, 200, {})
  else if (path.includes('runs/create')) json(response, 200, { run: { info } })
  else json(response, 200, {})
}

const newRun = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-run-'))
  writeRunRecord(folder, { id: 'abc', name: 'run', started: 1, params: { max_iters: '5' }, tags: { seed: '1' } })
  return folder
}
const client = () => new MlflowClient(mlflowServer({}, address), 2000)
const logged = (): number[] =>
  requests
    .filter(({ path }) => path.endsWith('log-batch'))
    .flatMap(({ body }) => ((body.metrics ?? []) as { step: number }[]).map(({ step }) => step))

describe('where runs are sent', () => {
  test.each([
    ['nothing', {}, undefined],
    ['no address', {}, 'not an address'],
    ['another protocol', {}, 'ftp://host'],
    ['databricks without a token', { DATABRICKS_HOST: 'h' }, 'databricks'],
    ['databricks without an experiment', { DATABRICKS_HOST: 'h', DATABRICKS_TOKEN: 't' }, 'databricks'],
    ['databricks with a relative experiment', { DATABRICKS_HOST: 'h', DATABRICKS_TOKEN: 't', MLFLOW_EXPERIMENT_NAME: 'e' }, 'databricks'],
  ])('%s is refused', (_what, env, uri) => expect(() => mlflowServer(env, uri)).toThrow(ConfigError))
  test.each([
    ['token', { MLFLOW_TRACKING_TOKEN: 'tok' }, 'http://h:1/', 'Bearer tok'],
    ['name and password', { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p' }, 'http://h:1', `Basic ${btoa('u:p')}`],
    ['in the address', {}, 'http://u:p@h:1', `Basic ${btoa('u:p')}`],
    ['none', {}, 'http://h:1', undefined],
  ])('authorization: %s', (_what, env, uri, authorization) => {
    expect(mlflowServer(env, uri)).toEqual({ address: 'http://h:1', experiment: 'makeMoE', authorization })
  })
  test('databricks', () => {
    const env = { DATABRICKS_HOST: 'work.space', DATABRICKS_TOKEN: 't', MLFLOW_EXPERIMENT_NAME: '/Users/me/moe' }
    expect(mlflowServer(env, 'databricks')).toEqual({
      address: 'https://work.space',
      experiment: '/Users/me/moe',
      authorization: 'Bearer t',
    })
  })
})

describe('sending', () => {
  test('a run with its parameters, metrics, artifacts and end, each once', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const tracker = openTracker(folder, { config: {}, tracker: () => () => new MlflowTracker(folder, client(), { warn: expect.fail }) })
    for (let step = 0; step < 5; step++) tracker.log({ step, loss: 3 - step })
    writeFileSync(join(folder, 'sample.txt'), 'words')
    await tracker.close('FINISHED')
    expect(logged()).toEqual([0, 1, 2, 3, 4])
    const paths = requests.map(({ path, method }) => `${method} ${path.replace(/.*\/(mlflow|artifacts)\//, '').split('?')[0]}`)
    expect(paths.filter((path) => path.includes('create'))).toEqual(['POST experiments/create', 'POST runs/create'])
    expect(paths).toContain('PUT sample.txt')
    expect(requests.at(-1)?.body).toMatchObject({ run_id: 'r1', status: 'FINISHED' })
    expect(readRunRecord(folder).status).toBe('FINISHED')
    const count = requests.length
    await new MlflowSync(folder, client()).send()
    expect(requests.length).toBe(count) // nothing is left to send
  })
  test('more metrics than one request may hold', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const lines = Array.from({ length: 2500 }, (_, step) => JSON.stringify({ step, loss: 1, time: step }))
    writeFileSync(join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n{"step":9999,"lo`)
    await new MlflowSync(folder, client()).send()
    expect(logged()).toEqual(Array.from({ length: 2500 }, (_, step) => step))
    const sizes = requests.map(({ body }) => (body.metrics as unknown[] | undefined)?.length ?? 0)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1000)
  })
  test('a server that is away costs one warning and nothing else; later all is sent', async () => {
    requests.length = 0
    answer = (_request, response) => response.socket?.destroy()
    const folder = newRun()
    const warnings: string[] = []
    const options = { warn: (message: string) => warnings.push(message), intervalMs: 1, patienceMs: 500 }
    const tracker = openTracker(folder, { config: {}, tracker: () => () => new MlflowTracker(folder, client(), options) })
    for (let step = 0; step < 20; step++) {
      tracker.log({ step, loss: 1 })
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await tracker.close('KILLED')
    expect(warnings).toHaveLength(2)
    expect(warnings[0]).toMatch(/was not reached.*training continues/)
    expect(warnings[1]).toMatch(/npm run mlflow -- --sync/)
    answer = working
    requests.length = 0
    await new MlflowSync(folder, client()).send()
    expect(logged()).toEqual(Array.from({ length: 20 }, (_, step) => step))
    expect(requests.at(-1)?.body).toMatchObject({ status: 'KILLED' })
  })
  test('openTracker keeps the description of a resumed run, and takes back its end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'makemoe-run-'))
    await openTracker(folder, { config: presets.makemoe }).close('KILLED')
    const { id, params } = readRunRecord(folder)
    expect(params).toMatchObject({ batch_size: '16', max_iters: '5000', num_experts: '8', top_k: '2', n_embed: '128' })
    const again = openTracker(folder, { config: presets.makemoe })
    again.log({ step: 1, loss: 1 })
    expect(readRunRecord(folder)).toMatchObject({ id })
    expect(readRunRecord(folder).status).toBeUndefined()
    // Closed, and trained on: the same file, the same record.
    await again.close('KILLED')
    expect(readRunRecord(folder).status).toBe('KILLED')
    again.log({ step: 2, loss: 1 })
    expect(readRunRecord(folder).status).toBeUndefined()
    await again.close()
    expect(readFileSync(join(folder, 'metrics.jsonl'), 'utf8').match(/"step":\d/g)).toEqual(['"step":1', '"step":2'])
    expect(readRunRecord(folder)).toMatchObject({ id, status: 'FINISHED' })
    expect(() => openTracker(folder, { config: {}, tracker: 'wandb' as never })).toThrow(
      /tracker: got wandb, expected one of jsonl, mlflow/,
    )
    expect(() => readRunRecord(tmpdir())).toThrow(RunError)
    writeFileSync(join(folder, 'run.json'), '{"id": 3}')
    expect(() => readRunRecord(folder)).toThrow(RunError)
  })
})

describe('a hostile server', () => {
  test.each([
    ['garbage', (r: ServerResponse) => r.end('<html>')],
    ['another shape', (r: ServerResponse) => json(r, 200, { experiment: 3 })],
    ['an error without a code', (r: ServerResponse) => json(r, 500, [])],
    ['no permission', (r: ServerResponse) => json(r, 403, { error_code: 'PERMISSION_DENIED', message: 'no: sekret' })],
    ['an endless answer', (r: ServerResponse) => r.end('x'.repeat(2_000_000))],
    ['silence', () => {}],
    ['a redirect', (r: ServerResponse) => r.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end()],
  ])('%s', async (_what, behave) => {
    answer = (_request, response) => behave(response)
    const guarded = new MlflowClient(mlflowServer({ MLFLOW_TRACKING_TOKEN: 'sekret' }, address), 300)
    const error = (await guarded.experiment().catch((error: unknown) => error)) as Error
    expect(error).toBeInstanceOf(MlflowError)
    expect(error.message).not.toContain('sekret')
  })
  test('answers at random, 3,000 of them: a result or an MlflowError', async () => {
    let body = ''
    let status = 200
    answer = (_request, response) => response.writeHead(status).end(body)
    const one = client()
    const statuses = fc.constantFrom(200, 200, 200, 204, 400, 404, 500, 503)
    const shaped = fc.record({ experiment: fc.option(fc.record({ experiment_id: fc.jsonValue() })), error_code: fc.jsonValue() })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string(),
          shaped.map((value) => JSON.stringify(value)),
        ),
        statuses,
        async (text, code) => {
          body = code === 204 ? '' : text
          status = code
          try {
            expect(typeof (await one.experiment())).toBe('string')
          } catch (error) {
            expect(error).toBeInstanceOf(MlflowError)
          }
        },
      ),
      { numRuns: 3000 },
    )
  }, 60_000)
})

test('what is sent holds no secret, and neither does the run folder', async () => {
  answer = working
  const folder = newRun()
  const secret = new MlflowClient(mlflowServer({ MLFLOW_TRACKING_TOKEN: 'sekret' }, address))
  await new MlflowSync(folder, secret).send()
  expect(requests.at(-1)?.authorization).toBe('Bearer sekret')
  expect(readFileSync(join(folder, 'mlflow.json'), 'utf8')).not.toContain('sekret')
})
