/** Against a server that misbehaves; a slow one is in mlflow.slow.test.ts, the real one in real-mlflow.mjs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { ConfigError, presets, RunError } from 'makemoe'
import { MlflowTracker, type MlflowTrackerOptions } from 'makemoe/dist/runs/track/mlflow'
import type { MlflowServer } from 'makemoe/dist/runs/track/mlflow-server'
import { MlflowSync } from 'makemoe/dist/runs/track/mlflow-sync'
import { readRunRecord, writeRunRecord } from 'makemoe/dist/runs/track/run-record'
import { openTracker } from 'makemoe/dist/runs/track/trackers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cases } from '../../support'

// As lib itself has it: vitest's import would be a second copy, with a second class MlflowError.
const native: typeof import('makemoe/dist/runs/track/mlflow-client') = createRequire(__filename)('makemoe/dist/runs/track/mlflow-client')
const { MlflowClient, MlflowError } = native
const { mlflowServer }: typeof import('makemoe/dist/runs/track/mlflow-server') = createRequire(__filename)(
  'makemoe/dist/runs/track/mlflow-server',
)

interface Request {
  readonly path: string
  readonly method: string
  readonly authorization: string | undefined
  readonly body: Record<string, unknown>
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
    const seen: Request = { path: request.url ?? '', method: request.method ?? '', authorization: request.headers.authorization, body }
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
  else if (path.includes('runs/create') || path.includes('runs/get')) json(response, 200, { run: { info } })
  else json(response, 200, {})
}

const newRun = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-run-'))
  writeRunRecord(folder, { id: 'abc', name: 'run', started: 1, params: { max_iters: '5' }, tags: { seed: '1' } })
  return folder
}
const client = () => new MlflowClient(mlflowServer({}, address), { idleMs: 2000 })
const sync = (folder: string, note: (sentence: string) => void = expect.fail) => new MlflowSync(folder, client(), note)
const tracking = (folder: string, options: Partial<MlflowTrackerOptions> = {}) =>
  openTracker(folder, {
    config: {},
    tracker: () => () => new MlflowTracker(folder, mlflowServer({}, address), { warn: expect.fail, ...options }),
  })
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

describe('addresses and tokens as people paste them', () => {
  test.each(['http://h:1/#/experiments/1', 'http://h:1/?searchFilter=#/experiments/1/runs/2', ' http://h:1\n'])('%j', (uri) =>
    expect(mlflowServer({}, uri).address).toBe('http://h:1'),
  )
  test('a page below a path', () => expect(mlflowServer({}, 'https://h/mlflow/#/models').address).toBe('https://h/mlflow'))
  test.each([
    ['MLFLOW_TRACKING_TOKEN', { MLFLOW_TRACKING_TOKEN: 'sek\u201dret' }, 'http://h'],
    ['MLFLOW_TRACKING_TOKEN', { MLFLOW_TRACKING_TOKEN: 'sek ret' }, 'http://h'],
    ['MLFLOW_TRACKING_URI', {}, '\u201chttp://h\u201d'],
    ['MLFLOW_TRACKING_URI', {}, 'http://%zz@h'],
    ['DATABRICKS_HOST', { DATABRICKS_HOST: '\u201ch\u201d:x', DATABRICKS_TOKEN: 't', MLFLOW_EXPERIMENT_NAME: '/e' }, 'databricks'],
    ['DATABRICKS_TOKEN', { DATABRICKS_HOST: 'h', DATABRICKS_TOKEN: 't\u2019', MLFLOW_EXPERIMENT_NAME: '/e' }, 'databricks'],
  ])('%s %j %s is refused, and not shown', (variable, env, uri) => {
    const error = (() => {
      try {
        return mlflowServer(env, uri)
      } catch (caught) {
        return caught
      }
    })()
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as Error).message).toContain(`${variable}: `)
    expect((error as Error).message).not.toMatch(/sek|zz|\u201c|\u2019/)
  })
  test('drawn at random: a server, or a ConfigError; and its requests fail as an MlflowError', async () => {
    const word = fc.string({ unit: 'binary', maxLength: 12 })
    const uri = fc.oneof(
      word,
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.tuple(word, word, word).map(([user, host, rest]) => `http://${user}@${host}/${rest}`),
      word.map((rest) => `http://127.0.0.1:1/${rest}`),
      fc.constant('databricks'),
    )
    const some = fc.option(word, { nil: undefined })
    const env = fc.record({
      MLFLOW_TRACKING_TOKEN: some,
      MLFLOW_TRACKING_USERNAME: some,
      MLFLOW_TRACKING_PASSWORD: some,
      MLFLOW_EXPERIMENT_NAME: fc.option(
        fc.oneof(
          word,
          word.map((name) => `/${name}`),
        ),
        { nil: undefined },
      ),
      DATABRICKS_HOST: some,
      DATABRICKS_TOKEN: some,
    })
    await fc.assert(
      fc.asyncProperty(env, uri, async (variables, pasted) => {
        let found: MlflowServer
        try {
          found = mlflowServer(variables, pasted)
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError)
          return
        }
        expect(found.address).toMatch(/^https?:\/\/[^#?]+$/)
        // Sent to this machine whatever the host is: what the client makes of the rest is to be tried, not strangers' servers.
        const local = { ...found, address: `http://127.0.0.1:1${new URL(found.address).pathname.replace(/\/$/, '')}` }
        await expect(new MlflowClient(local).experiment()).rejects.toBeInstanceOf(MlflowError)
      }),
      { numRuns: cases(100, 300) },
    )
  })
})

describe('names and values', () => {
  test('those that MLflow does not take are left out, with the rule, and hold up nothing', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const params = { good: 'x', 'b\u00e4d?': 'y', long: 'z'.repeat(6001) }
    writeRunRecord(folder, { ...readRunRecord(folder), params, tags: { '': 'empty', fine: '\ud800' } })
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify({ step: 0, time: 1, 'a/../b': 1, 'acc@1': 2, loss: 3 })}\n`)
    const notes: string[] = []
    await sync(folder, (note) => notes.push(note)).send()
    expect(requests.find(({ path }) => path.endsWith('runs/create'))?.body).toMatchObject({
      tags: [
        { key: 'fine', value: '\ufffd' },
        { key: 'makemoe.id', value: 'abc' },
      ],
    })
    expect(requests.flatMap(({ body }) => body.params ?? [])).toEqual([{ key: 'good', value: 'x' }])
    expect(requests.flatMap(({ body }) => body.metrics ?? [])).toEqual([{ key: 'loss', value: 3, timestamp: 1, step: 0 }])
    expect(notes).toEqual([
      expect.stringMatching(/^tag "" is not sent: MLflow takes names of 1 to 250/),
      expect.stringMatching(/^parameter "b\u00e4d\?" is not sent/),
      'parameter "long" is not sent: its value has 6001 characters, MLflow takes 6000',
      expect.stringMatching(/^metric "a\/\.\.\/b" is not sent/),
      expect.stringMatching(/^metric "acc@1" is not sent/),
    ])
  })
})

describe('sending', () => {
  test('a run with its parameters, metrics, artifacts and end, each once', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const tracker = tracking(folder)
    for (let step = 0; step < 5; step++) tracker.log({ step, loss: 3 - step })
    writeFileSync(join(folder, 'sample.txt'), 'words')
    await tracker.close('FINISHED')
    expect(logged()).toEqual([0, 1, 2, 3, 4])
    const paths = requests.map(({ path, method }) => `${method} ${path.replace(/.*\/(mlflow|artifacts)\//, '').split('?')[0]}`)
    expect(paths.filter((path) => path.includes('create'))).toEqual(['POST experiments/create', 'POST runs/create'])
    expect(paths).toContain('PUT sample.txt')
    const ends = requests.filter(({ path }) => path.endsWith('runs/update')).map(({ body }) => body)
    expect(ends).toEqual([{ run_id: 'r1', status: 'FINISHED', end_time: readRunRecord(folder).ended }])
    expect(readRunRecord(folder).status).toBe('FINISHED')
    const count = requests.length
    await sync(folder).send()
    // Nothing is left to send, if the server still has it.
    expect(requests.slice(count).map(({ path }) => path)).toEqual(['/api/2.0/mlflow/runs/get?run_id=r1'])
  })
  test('more metrics than one request may hold', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const lines = Array.from({ length: 2500 }, (_, step) => JSON.stringify({ step, loss: 1, time: step }))
    writeFileSync(join(folder, 'metrics.jsonl'), `${lines.join('\n')}\n{"step":9999,"lo`)
    await sync(folder).send()
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
    const tracker = tracking(folder, options)
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
    await sync(folder).send()
    expect(logged()).toEqual(Array.from({ length: 20 }, (_, step) => step))
    expect(requests.at(-1)?.body).toMatchObject({ status: 'KILLED' })
  })
  test('one line of 4,096 metrics, 700 kB long, arrives whole; a line that is being written waits', async () => {
    answer = working
    requests.length = 0
    const folder = newRun()
    const names = Array.from({ length: 4096 }, (_, i) => `routing/layer_${i >> 9}/${'load'.repeat(36)}_${i & 511}`)
    const line = { step: 1, time: 5, ...Object.fromEntries(names.map((name, i) => [name, i])) }
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(line)}\n${JSON.stringify({ ...line, step: 2 })}`)
    await sync(folder).send()
    const metrics = requests.flatMap(({ body }) => (body.metrics ?? []) as { key: string; value: number; step: number }[])
    expect(metrics.map(({ key, value, step }) => [key, value, step])).toEqual(names.map((name, i) => [name, i, 1]))
    appendFileSync(join(folder, 'metrics.jsonl'), '\n')
    await sync(folder).send()
    expect(logged()).toHaveLength(2 * 4096)
  })
  test.each<[string, string, number]>([
    ['files beside the server', '/somewhere/0/r1/artifacts', 200],
    ['s3', 's3://bucket/0/r1/artifacts', 200],
    ['gs', 'gs://bucket/0/r1/artifacts', 200],
    ['dbfs', 'dbfs:/databricks/mlflow/r1', 200],
    ['another server', 'mlflow-artifacts://other:5000/0/r1', 200],
    ['a server that refuses them', 'mlflow-artifacts:/0/r1/artifacts', 503],
  ])('artifacts in %s: the run ends all the same, with one note', async (_what, uri, status) => {
    requests.length = 0
    answer = (request, response) => {
      if (request.method === 'PUT') json(response, status, {})
      else if (request.path.includes('runs/create')) json(response, 200, { run: { info: { run_id: 'r1', artifact_uri: uri } } })
      else working(request, response)
    }
    const folder = newRun()
    const notes: string[] = []
    const tracker = tracking(folder, { warn: (note) => notes.push(note) })
    tracker.log({ step: 0, loss: 1 })
    for (const name of ['sample.txt', 'config.json', 'loss.html']) writeFileSync(join(folder, name), 'words')
    await tracker.close('FINISHED')
    expect(requests.find(({ path }) => path.endsWith('runs/update'))?.body).toMatchObject({ status: 'FINISHED' })
    expect(notes).toEqual([expect.stringMatching(/^MLflow: config\.json, sample\.txt, loss\.html stay in .* alone: the/)])
    expect(await sync(folder, () => {}).send()).toBe(false)
  })
  test('what is logged arrives while the process computes and does not look up', async () => {
    const code = `const server = require('node:http').createServer((request, response) => {
      request.resume().on('end', () => {
        require('node:fs').appendFileSync(process.argv[1], request.url + '\\n')
        const info = { run_id: 'r1', artifact_uri: '' }
        response.end(JSON.stringify({ run: { info }, experiment: { experiment_id: '1' } }))
      })
    }).listen(0, '127.0.0.1', () => console.log(server.address().port))`
    const folder = newRun()
    const log = join(folder, 'requests.log')
    const other = spawn(process.execPath, ['-e', code, log], { stdio: ['ignore', 'pipe', 'inherit'] })
    const port = await new Promise<string>((resolve) => other.stdout.once('data', (chunk) => resolve(`${chunk}`.trim())))
    const tracker = openTracker(folder, {
      config: {},
      tracker: () => () =>
        new MlflowTracker(folder, mlflowServer({}, `http://127.0.0.1:${port}`), { warn: expect.fail, intervalMs: 100, idleMs: 400 }),
    })
    tracker.log({ step: 0, loss: 1 })
    /** Batches that arrived; read without a look up. */
    const batches = () => (existsSync(log) ? readFileSync(log, 'utf8').split('log-batch').length - 1 : 0)
    const start = Date.now()
    for (let step = 1; batches() < 2 && Date.now() - start < 30_000; step++) {
      const until = Date.now() + 100
      while (Date.now() < until); // computes
      tracker.log({ step, loss: 1 })
    }
    const arrived = batches()
    await tracker.close()
    other.kill()
    await once(other, 'exit')
    expect(arrived).toBeGreaterThanOrEqual(2)
  })
  test.each([
    [
      'deleted in the page',
      (response: ServerResponse) => json(response, 200, { run: { info: { run_id: 'r1', lifecycle_stage: 'deleted' } } }),
    ],
    ['of a server whose data was removed', (response: ServerResponse) => json(response, 404, { error_code: 'RESOURCE_DOES_NOT_EXIST' })],
  ])('a run %s is sent again, as a new one', async (_what, gone) => {
    answer = working
    const folder = newRun()
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify({ step: 3, loss: 1, time: 1 })}\n`)
    writeRunRecord(folder, { ...readRunRecord(folder), status: 'FINISHED', ended: 2 })
    await sync(folder).send()
    requests.length = 0
    answer = (request, response) => {
      if (request.path.endsWith('runs/get?run_id=r1')) gone(response)
      else if (request.path.includes('runs/create')) json(response, 200, { run: { info: { run_id: 'r2' } } })
      else working(request, response)
    }
    const notes: string[] = []
    await sync(folder, (note) => notes.push(note)).send()
    expect(notes).toEqual(['the server no longer has this run; it is sent again, as a new run'])
    expect(logged()).toEqual([3])
    expect(requests.filter(({ body }) => 'run_id' in body).every(({ body }) => body.run_id === 'r2')).toBe(true)
    expect(requests.find(({ path }) => path.endsWith('runs/update'))?.body).toMatchObject({ run_id: 'r2', status: 'FINISHED' })
  })
  test('a run that is deleted while it trains is sent again from its beginning', async () => {
    requests.length = 0
    let deleted = false
    answer = (request, response) => {
      const { run_id } = request.body as { run_id?: string }
      if (deleted && (run_id === 'r1' || request.path.endsWith('runs/get?run_id=r1')))
        json(response, 404, { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'no run r1' })
      else if (deleted && request.path.includes('runs/create')) json(response, 200, { run: { info: { run_id: 'r2' } } })
      else working(request, response)
    }
    const folder = newRun()
    const metrics = join(folder, 'metrics.jsonl')
    const notes: string[] = []
    const one = sync(folder, (note) => notes.push(note))
    writeFileSync(metrics, `${JSON.stringify({ step: 0, loss: 1, time: 1 })}\n`)
    await one.send()
    deleted = true
    appendFileSync(metrics, `${JSON.stringify({ step: 1, loss: 1, time: 2 })}\n`)
    await one.send()
    expect(notes).toHaveLength(1)
    expect(logged()).toEqual([0, 1, 0, 1]) // 1 was refused of r1, then both went to r2
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
    const guarded = new MlflowClient(mlflowServer({ MLFLOW_TRACKING_TOKEN: 'sekret' }, address), { idleMs: 300 })
    const error = (await guarded.experiment().catch((error: unknown) => error)) as Error
    expect(error).toBeInstanceOf(MlflowError)
    expect(error.message).not.toContain('sekret')
  })
  test(`answers at random, ${cases(300, 3000)} of them: a result or an MlflowError`, async () => {
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
      { numRuns: cases(300, 3000) },
    )
  }, 60_000)
})

test('what is sent holds no secret, and neither does the run folder', async () => {
  answer = working
  const folder = newRun()
  const secret = new MlflowClient(mlflowServer({ MLFLOW_TRACKING_TOKEN: 'sekret' }, address))
  await new MlflowSync(folder, secret, expect.fail).send()
  expect(requests.at(-1)?.authorization).toBe('Bearer sekret')
  expect(readFileSync(join(folder, 'mlflow.json'), 'utf8')).not.toContain('sekret')
})
