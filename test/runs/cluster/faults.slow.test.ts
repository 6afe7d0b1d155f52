/** What goes wrong among real processes: each fault ends all of them within ten seconds, with a sentence that names the worker and the reason. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { newestCheckpoint } from 'makemoe/dist/runs/run-folder'
import { expect, test } from 'vitest'
import {
  type Ended,
  folder,
  isListening,
  isolated,
  lossesOf,
  main,
  metricsOf,
  options,
  type Running,
  root,
  start,
  text,
  train,
  until,
  workerOf,
} from './run'

const long = ['--steps', '100000', '--checkpoint-every', '20']
let nextPort = 12_000 + (process.pid % 200) * 100 // below those that systems give to connections, of which a worker has many

const hostsOf = (count: number): string[] => Array.from({ length: count }, () => `127.0.0.1:${nextPort++}`)

/** Starts one worker, as on one of several machines. */
const startWorker = (worker: number, hosts: readonly string[], args: readonly string[], program = main): Running =>
  start(
    [...options, '--cluster', hosts.join(), '--worker', String(worker), '--trust-network', ...args],
    { TF_CPP_MIN_LOG_LEVEL: '3' },
    program,
  )

/** Starts workers one by one, as on several machines. */
function several(count: number, args: (worker: number) => readonly string[], which = [...Array(count).keys()]): Running[] {
  const hosts = hostsOf(count)
  return which.map((worker) => startWorker(worker, hosts, args(worker)))
}

/** All have ended within ten seconds of the moment when their servers were there, each with one sentence. */
async function expectSentences(running: readonly Running[], sentences: readonly RegExp[]): Promise<void> {
  const isThere = ({ child }: Running): boolean => child.exitCode !== null || isListening(child.pid)
  await until(() => running.every(isThere), 'the joining')
  const begin = Date.now()
  const ended = await all(running)
  for (const [i, { status, output, at }] of ended.entries()) {
    expect(output).toMatch(sentences[i] ?? /^$/)
    expect(output.match(/^makemoe: /gm)).toHaveLength(1)
    expect([2, 3]).toContain(status)
    expect(at - begin).toBeLessThan(10_000)
  }
}

const all = (running: readonly Running[]): Promise<Ended[]> => Promise.all(running.map(({ ended }) => ended))
const linesOf = (run: string): number => lossesOf(run).length

test('kill -9: the run goes on from the last checkpoint, and ends with the weights of one that was not disturbed; one process resumes it', async () => {
  const args = ['--workers', '2', '--steps', '120', '--checkpoint-every', '20']
  const [calm, run] = [join(folder, 'calm'), join(folder, 'killed')]
  expect((await train('--out', calm, ...args)).status).toBe(0)
  const running = start([...options, '--out', run, ...args])
  await until(() => newestCheckpoint(run), 'the first checkpoint')
  process.kill(await until(() => workerOf(run, 1), 'worker 1'), 'SIGKILL')
  const { status, output } = await running.ended
  expect(status, output).toBe(0)
  expect(output).toMatch(/worker 1 was killed by SIGKILL.*; all 2 workers have ended; restart 1 of 3 from the last checkpoint/)
  expect(readFileSync(join(run, 'model.safetensors')).equals(readFileSync(join(calm, 'model.safetensors')))).toBe(true)
  expect(metricsOf(run)).toEqual(metricsOf(calm))
  const { status: resumed, output: said } = await start(['--resume', run, '--steps', '125', '--text', text, '--sample', '5']).ended
  expect(resumed, said).toBe(0)
  expect(linesOf(run)).toBe(125)
})

test('SIGSTOP: the others notice within ten seconds, and nothing is left of it; the network of the workers cannot be reached', async () => {
  const run = join(folder, 'stopped')
  const running = start([...options, '--out', run, '--workers', '2', ...long, '--restarts', '1'])
  await until(() => linesOf(run) > 20, 'some steps')
  const pid = await until(() => workerOf(run, 1), 'worker 1')
  if (isolated) {
    expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'))
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1])
    const answer = await new Promise((resolve) => {
      connect(port, '127.0.0.1', () => resolve('connected')).on('error', ({ message }) => resolve(message))
    })
    expect(answer).toMatch(/ECONNREFUSED/)
  }
  for (const expected of [/restart 1 of 1/, /after 1 of 1 restarts/]) {
    process.kill(await until(() => workerOf(run, 1), 'worker 1'), 'SIGSTOP')
    const begin = Date.now()
    await until(() => expected.test(running.output()), 'the sentence', 60)
    expect(Date.now() - begin).toBeLessThan(10_000)
    const lines = linesOf(run) // all have ended: only workers that have joined again write more
    if (running.child.exitCode === null) await until(() => linesOf(run) > lines || running.child.exitCode !== null, 'more steps')
  }
  const { status, output } = await running.ended
  expect(status).toBe(3)
  expect(output).toMatch(/worker 1 no longer answered; all 2 workers have ended/)
  expect(workerOf(run, 0) ?? workerOf(run, 1)).toBe(undefined)
})

test.each([
  ['starts', 1, () => true],
  ['starts', 0, () => true],
  ['joins', 1, isListening],
])('SIGSTOP while a worker %s: all end within ten seconds, worker %i is named', async (when, worker, isThere) => {
  const run = join(folder, `stopped-${when}-${worker}`)
  const running = start([...options, '--out', run, '--workers', '2', ...long, '--restarts', '0'])
  const pid = await until(() => workerOf(run, worker), 'the worker')
  await until(() => isThere(pid), 'the moment')
  process.kill(pid, 'SIGSTOP')
  const begin = Date.now()
  const { status, output, at } = await running.ended
  expect(at - begin).toBeLessThan(10_000)
  expect(status, output).toBe(3)
  expect(output).toMatch(new RegExp(`worker ${worker} no longer answered; all 2 workers have ended, after 0 of 0 restarts`))
  expect(workerOf(run, 0) ?? workerOf(run, 1)).toBe(undefined)
})

test.each([
  ['they train', (run: string) => linesOf(run) > 3],
  ['they join', (run: string) => [0, 1].some((worker) => isListening(workerOf(run, worker)))],
])('kill -9 of the launcher while %s: within ten seconds no worker is left', async (when, isNow) => {
  const run = join(folder, `no-launcher-${when.replace(' ', '-')}`)
  const running = start([...options, '--out', run, '--workers', '2', ...long])
  await until(() => isNow(run), when)
  const workers = [0, 1].map((worker) => workerOf(run, worker))
  expect(workers).not.toContain(undefined)
  running.child.kill('SIGKILL')
  await until(() => workerOf(run, 0) === undefined && workerOf(run, 1) === undefined, 'the end of the workers', 10)
})

test('Ctrl-C: all workers stop after the same step, and the run can be resumed by another number of them', async () => {
  const run = join(folder, 'interrupted')
  const running = start([...options, '--out', run, '--workers', '2', ...long])
  await until(() => linesOf(run) > 3, 'some steps')
  running.child.kill('SIGINT')
  const { status, output } = await running.ended
  expect(status, output).toBe(130)
  const steps = linesOf(run)
  const resumed = await start(['--resume', run, '--steps', String(steps + 3), '--workers', '4', '--text', text, '--sample', '5']).ended
  expect(resumed.status, resumed.output).toBe(0)
  expect(linesOf(run)).toBe(steps + 3)
})

test.each([
  ['a worker that never comes', [0], [], /worker 0 of 2 could not join: worker 1 \(\S+\) did not come/],
  ['a first worker that never comes', [1], [], /worker 1 of 2 could not join: worker 0 \(\S+\) did not come/],
  ['another config', [0, 1], ['--seed', '7'], /worker 1 has seed 7, worker 0 has 1337/],
  ['another text', [0, 1], ['--text', __filename], /worker 1 has text \w+, worker 0 has \w+/],
])('%s ends all with one sentence', async (name, which, different, sentence) => {
  const out = join(folder, name.replaceAll(' ', '-'))
  const running = several(2, (worker) => ['--steps', '3', '--out', out, ...(worker === 1 ? different : [])], which)
  await expectSentences(running, [sentence, sentence])
  rmSync(out, { recursive: true, force: true })
})

test.each([
  ['more', 2, 3, /worker 1 has cluster size 3, worker 0 has 2/, /worker 1 has cluster size 3, worker 0 has 2/],
  ['fewer', 3, 2, /worker 2 \(\S+\) did not come/, /another worker has a longer --cluster, with a worker 2; this one has 2 hosts/],
])('worker 1 has %s hosts than worker 0: both end with one sentence', async (name, ofFirst, ofSecond, ...sentences) => {
  const args = ['--steps', '3', '--batch-size', '12', '--parallel', 'data', '--out', join(folder, `${name}-hosts`)]
  const hosts = hostsOf(3)
  const running = [ofFirst, ofSecond].map((count, worker) => startWorker(worker, hosts.slice(0, count), args))
  await expectSentences(running, sentences)
})

test('another version of the code in one worker ends both with one sentence', async () => {
  const other = mkdtempSync(join(root, 'node_modules/.other-version-')) // as deep as lib/dist, with the same packages
  cpSync(join(root, 'lib/dist'), other, { recursive: true })
  appendFileSync(join(other, 'makemoe/moe/capacity.js'), '// fixed\n')
  const args = ['--steps', '3', '--out', join(folder, 'version')]
  const hosts = hostsOf(2)
  const running = [main, join(other, 'cli/main.js')].map((program, worker) => startWorker(worker, hosts, args, program))
  const sentence = /worker 1 has version [0-9a-f]{12}, worker 0 has [0-9a-f]{12}/
  try {
    await expectSentences(running, [sentence, sentence])
  } finally {
    rmSync(other, { recursive: true })
  }
})

test('a port that is taken', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(nextPort, '0.0.0.0', resolve))
  const [ended] = await all(several(2, () => ['--out', join(folder, 'taken')], [0]))
  server.close()
  expect(ended?.output).toMatch(/worker 0 of 2 could not join: it cannot listen on 127\.0\.0\.1:\d+; is the port taken\?/)
})

test('a full disk in worker 0 ends all, without a restart', async () => {
  const run = join(folder, 'full')
  const line = 'ulimit -f 30; trap "" XFSZ; exec "$@"' // no file may grow beyond 15 kB
  const trust = isolated ? [] : ['--trust-network']
  const args = ['-c', line, 'sh', process.execPath, main, 'train', ...options, '--out', run, '--workers', '2', ...trust, ...long]
  const { status, stdout, stderr } = spawnSync('bash', args, { encoding: 'utf8', timeout: 120_000 })
  expect(status, stdout).toBe(2)
  expect(stderr).toMatch(/cannot write .*full/)
  expect(stderr).toMatch(/worker 0 ended with status 2.*all 2 workers have ended/)
  expect(stderr).not.toMatch(/restart/)
})

test('weights that differ between workers stop the run; a dead-lock is ended by the watchdog', async () => {
  const parts = join(folder, 'odd-parts.ts')
  const source = (odd: string): string => `
    import { AdamW, type MakeOptimizer, tf } from 'makemoe'
    const isOdd = process.argv[process.argv.indexOf('--worker') + 1] === '1'
    let calls = 0
    export const optimizer: MakeOptimizer = (parameters, options) => {
      const adamw = new AdamW(parameters, options)
      const apply = adamw.apply.bind(adamw)
      adamw.apply = (gradients) => {
        apply(gradients)
        const [[, weights]] = parameters
        if (isOdd) ${odd}
      }
      return adamw
    }`
  writeFileSync(parts, source('weights.assign(tf.add(weights, 1e-6))'))
  const differ = await train('--workers', '2', '--parts', parts, '--out', join(folder, 'differ'), ...long)
  expect(differ.status, differ.output).toBe(1)
  expect(differ.output).toMatch(
    /after step 100 worker 1 has other weights than worker 0, which must be identical; the last good checkpoint/,
  )
  writeFileSync(parts, source('while (++calls > 5);'))
  const stuck = start(
    [...options, '--workers', '2', '--restarts', '0', '--eager', '--parts', parts, '--out', join(folder, 'stuck'), ...long],
    {
      MAKEMOE_WATCHDOG: '10',
    },
  )
  const { status, output } = await stuck.ended
  expect(status, output).toBe(3)
  expect(output).toMatch(/no step was made for 10 s: the workers wait for each other/)
})
