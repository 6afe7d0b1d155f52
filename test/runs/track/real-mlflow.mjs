// With a real MLflow server: a run is tracked, the server is killed and started again at random moments, a run without a server is sent
// later; then everything is read back over REST. A server without the data, or without room for files, and names drawn at random. node test/runs/track/real-mlflow.mjs; needs npm run setup and a free port.
// Run by .ci/run.
import assert from 'node:assert'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import client from 'makemoe/dist/runs/track/mlflow-client'
import mlflowServerModule from 'makemoe/dist/runs/track/mlflow-server'
import { MlflowSync } from 'makemoe/dist/runs/track/mlflow-sync'
import { workersOf } from '../cluster/workers.mjs'

const { MlflowClient } = client
const { mlflowServer } = mlflowServerModule

const root = resolve(import.meta.dirname, '../../..')
const port = 5000 + (process.pid % 1000)
const address = `http://127.0.0.1:${port}`
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-mlflow-'))
const makemoe = (...args) => [join(root, 'lib/cli/bootstrap.mjs'), ...args]
const env = { ...process.env, MLFLOW_TRACKING_URI: address }
const tiny =
  '--n-embed 16 --n-head 2 --n-layer 2 --num-experts 4 --capacity-factor 1 --steps 400 --eval-interval 50 --eval-iters 2 --sample 20 --preset makemoe'.split(
    ' ',
  )

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds))
const up = async () => {
  for (let i = 0; i < 240; i++) {
    if (
      await fetch(`${address}/health`).then(
        (r) => r.ok,
        () => false,
      )
    )
      return
    await wait(500)
  }
  throw new Error('MLflow did not start')
}
let server
const start = () => {
  server = spawn(process.execPath, makemoe('mlflow', '--port', String(port)), { cwd: root, stdio: 'ignore', detached: true })
  return up()
}
/** A server that keeps no files, with nothing in it. */
const startOther = () => {
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', '--no-serve-artifacts']
  const stores = ['--backend-store-uri', `sqlite:///${join(scratch, 'other.db')}`, '--default-artifact-root', join(scratch, 'files')]
  const own = { ...process.env, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false', MLFLOW_DISABLE_TELEMETRY: 'true' }
  const mlflow = join(root, '.venv/mlflow/bin/mlflow')
  server = spawn(mlflow, [...args, ...stores], { cwd: scratch, env: own, stdio: 'ignore', detached: true })
  return up()
}
const kill = () => process.kill(-server.pid, 'SIGKILL')
const api = async (path, body) => {
  const ask = () =>
    fetch(
      `${address}/api/2.0/mlflow/${path}`,
      body ? { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {},
    )
  const response = await ask().catch(ask) // a kept connection to a server that was killed
  assert(response.ok, `${path}: ${response.status}`)
  return response.json()
}

/** Everything in a run's folder is on the server, once. */
async function compare(folder, status, filesToo = true) {
  const { run } = JSON.parse(readFileSync(join(folder, 'mlflow.json'), 'utf8'))
  const description = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'))
  const { info, data } = (await api(`runs/get?run_id=${run.id}`)).run
  assert.equal(info.status, status)
  for (const [key, value] of Object.entries(description.params)) assert.equal(data.params.find((p) => p.key === key)?.value, value)
  assert(data.tags.some(({ key, value }) => key === 'preset' && value === 'makemoe'))
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  for (const key of [
    'loss',
    'val_loss',
    'train_loss',
    'gradient_norm',
    'routing/layer_1/load_3',
    'routing/layer_0/dropped',
    'tokens_per_second',
    'learning_rate',
  ]) {
    const { metrics } = await api(`metrics/get-history?run_id=${run.id}&metric_key=${encodeURIComponent(key)}&max_results=5000`)
    const expected = lines.filter((line) => key in line).map((line) => [line.step, line[key]])
    assert(expected.length > 0, `the run has no ${key}`)
    const got = metrics.map(({ step, value }) => [Number(step), value]).sort((a, b) => a[0] - b[0])
    assert.deepEqual(got, expected, key)
  }
  const { files = [] } = filesToo ? await api(`artifacts/list?run_id=${run.id}`) : {}
  const names = files.map(({ path }) => path)
  if (filesToo)
    for (const name of ['config.json', ...(status === 'FINISHED' ? ['loss.html', 'model.safetensors', 'sample.txt'] : [])])
      assert(names.includes(name), `${name} is missing`)
  const found = await api('runs/search', { experiment_ids: [info.experiment_id], filter: `tags.\`makemoe.id\` = '${description.id}'` })
  assert.equal(found.runs.length, 1)
}
/** Metrics, parameters and tags drawn at random: each is on the server as it was, or a note says why not; and by MLflow's own answer. */
async function drawn() {
  const letters = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ maxLength: 8 }),
    fc.stringMatching(/^[\w\-./: ]{1,12}$/),
  )
  const long = fc
    .tuple(fc.constantFrom('a', 'é', '学', '𝔐'), fc.constantFrom(249, 250, 251))
    .map(([letter, length]) => letter.repeat(length))
  const name = fc.oneof({ weight: 8, arbitrary: letters }, { weight: 1, arbitrary: long })
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(6000, 6001, 8000, 8001).map((length) => '𝔐'.repeat(length)),
  )
  const own = (key) => key !== '__proto__' && key !== 'step' && key !== 'time' && !key.startsWith('mlflow.')
  const pairs = fc.dictionary(name.filter(own), value, { maxKeys: 40, noNullPrototype: true })
  const numbers = fc.dictionary(name.filter(own), fc.double({ noNaN: true, noDefaultInfinity: true }), {
    maxKeys: 40,
    noNullPrototype: true,
  })
  const wellFormed = (text) => Buffer.from(text).toString()
  let refusals = 0
  for (const [i, [params, tags, metrics]] of fc.sample(fc.tuple(pairs, pairs, numbers), 12).entries()) {
    const folder = join(scratch, `drawn-${i}`)
    mkdirSync(folder)
    writeFileSync(
      join(folder, 'run.json'),
      JSON.stringify({ id: `drawn-${process.pid}-${i}`, name: `drawn ${i}`, started: 1, ended: 2, status: 'FINISHED', params, tags }),
    )
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify({ step: 1, time: 1, ...metrics })}\n`)
    const notes = []
    await new MlflowSync(folder, new MlflowClient(mlflowServer({}, address)), (note) => notes.push(note)).send()
    const { id } = JSON.parse(readFileSync(join(folder, 'mlflow.json'), 'utf8')).run
    const { info, data } = (await api(`runs/get?run_id=${id}`)).run
    assert.equal(info.status, 'FINISHED')
    for (const [kind, expected, got] of [
      ['parameter', params, data.params],
      ['tag', tags, data.tags],
      ['metric', metrics, data.metrics],
    ]) {
      for (const [key, wanted] of Object.entries(expected)) {
        const there = (got ?? []).find((each) => each.key === key)
        const shown = [...key].length > 60 ? `${[...key].slice(0, 60).join('')}…` : key
        const refused = notes.some((note) => note.startsWith(`${kind} ${JSON.stringify(shown)} is not sent: `))
        assert(there !== undefined || refused, `${kind} ${JSON.stringify(key)} neither arrived nor was refused`)
        if (there === undefined) refusals++
        else if (kind === 'metric')
          assert(there.value === wanted || Math.abs(there.value - wanted) <= Math.abs(wanted) * 1e-15, `${there.value} ${wanted}`)
        else assert.equal(there.value, wellFormed(wanted))
      }
    }
  }
  assert(refusals > 0)
}
const inTraining = (out) => {
  const file = join(out, 'metrics.jsonl')
  return existsSync(file) && readFileSync(file, 'utf8').split('\n').length > 100
}
const train = (out, signal, more = []) =>
  new Promise((done) => {
    const child = spawn(process.execPath, makemoe('train', ...tiny, ...more, '--out', out), { cwd: root, env, stdio: 'ignore' })
    const watch = signal && setInterval(() => inTraining(out) && child.kill(signal), 50)
    child.on('close', (code, by) => {
      clearInterval(watch)
      done(code ?? by)
    })
  })
const sync = (folder) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, makemoe('mlflow', '--sync', folder), { cwd: root, env, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

try {
  await start()
  assert.equal(await train(join(scratch, 'calm')), 0)
  await compare(join(scratch, 'calm'), 'FINISHED')
  console.log('tracked: all of a run is on the server')

  const trouble = (async () => {
    for (let i = 0; i < 3; i++) {
      await wait(1500 + Math.random() * 3000)
      kill()
      await wait(Math.random() * 2000)
      await start()
    }
  })()
  assert.equal(await train(join(scratch, 'troubled')), 0)
  await trouble
  sync(join(scratch, 'troubled'))
  await compare(join(scratch, 'troubled'), 'FINISHED')
  console.log('troubled: the server was killed three times; all of the run is on it, once')

  kill()
  await wait(500)
  assert.equal(await train(join(scratch, 'alone')), 0)
  assert.equal(await train(join(scratch, 'killed'), 'SIGKILL'), 'SIGKILL')
  await start()
  sync(join(scratch, 'alone'))
  sync(join(scratch, 'alone'))
  await compare(join(scratch, 'alone'), 'FINISHED')
  sync(join(scratch, 'killed'))
  const killed = JSON.parse(readFileSync(join(scratch, 'killed', 'mlflow.json'), 'utf8'))
  assert.equal((await api(`runs/get?run_id=${killed.run.id}`)).run.info.status, 'KILLED')
  console.log('alone: runs without a server were sent later, a killed one as KILLED')

  // Workers reach no server: their launcher sends what is in the folder.
  const isolated = spawnSync('unshare', ['-rn', 'true']).status === 0
  const workers = ['--workers', '2', ...(isolated ? [] : ['--trust-network'])]
  for (const [name, isNow, checkpoints] of [
    ['workers', (out) => inTraining(out) && existsSync(join(out, 'checkpoints')), ['--checkpoint-every', '50']],
    ['early', (out) => existsSync(join(out, 'mlflow.json')), []],
  ]) {
    const out = join(scratch, name)
    let first
    const watch = setInterval(() => {
      if (!isNow(out)) return
      clearInterval(watch)
      first = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).id
      const pid = workersOf(out).get(1)
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    }, 20)
    assert.equal(await train(out, undefined, [...workers, ...checkpoints]), 0)
    assert(first, 'no worker was killed')
    await compare(out, 'FINISHED')
    const { id } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))
    assert.equal(id === first, name === 'workers') // killed before its first checkpoint, a run begins anew
    console.log(`${name}: two workers, one killed; all of the run is on the server, once`)
  }

  const taken = spawnSync(process.execPath, makemoe('mlflow', '--port', String(port)), { cwd: root, encoding: 'utf8' })
  assert.equal(taken.status, 2)
  assert.match(taken.stderr, /port: got \d+, but another program uses it/)
  assert.doesNotMatch(taken.stdout, /http/)
  console.log('taken: a second server on the port is refused before it says an address')

  // The server's data is gone, and the new one keeps no files.
  kill()
  await wait(500)
  await startOther()
  const said = sync(join(scratch, 'calm'))
  assert.match(said, /the server no longer has this run; it is sent again, as a new run/)
  assert.match(said, /stay in .* alone: the run's artifacts are at .*, which only MLflow's own client can write to/)
  assert.match(said, /everything but these files is on/)
  await compare(join(scratch, 'calm'), 'FINISHED', false)
  const { run } = JSON.parse(readFileSync(join(scratch, 'calm', 'mlflow.json'), 'utf8'))
  await api('runs/delete', { run_id: run.id })
  assert.match(sync(join(scratch, 'calm')), /the server no longer has this run/)
  await compare(join(scratch, 'calm'), 'FINISHED', false)
  console.log('gone: a run whose server lost it, or that was deleted there, is sent again; without its files where none are kept')

  await drawn()
  console.log('drawn: names and values of any characters and lengths arrive, or are refused with the rule')
} finally {
  try {
    kill()
  } catch {}
}
process.exit(0)
