// Workers are killed at random moments, again and again; the run must end with the weights of one that was left alone.
// node test/runs/cluster/random-kills.mjs [KILLS] [WORKERS] [SEED], default 5 2 1; 100 kills take about half an hour on two cores.
// Run by .ci/run.
import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { workersOf } from './workers.mjs'

const [kills = 5, workers = 2, seed = 1] = process.argv.slice(2).map(Number)
const root = resolve(import.meta.dirname, '../../..')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-kills-'))
const steps = 200 * kills // a run that is too short would end before the last kill
const sizes = '--n-embed 16 --n-head 2 --n-layer 2 --num-experts 4 --block-size 8 --batch-size 8 --eval-iters 2 --eval-interval 1000'
const options = [
  ...sizes.split(' '),
  '--sample',
  '5',
  '--text',
  join(root, 'README.md'),
  '--steps',
  String(steps),
  '--checkpoint-every',
  '10',
]

/** Numbers from 0 to 1 (Park and Miller 1988), so that a failure can be repeated. */
let state = seed
const random = () => {
  state = (state * 48271) % 2147483647
  return state / 2147483647
}
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds))

const start = (run) => {
  const args = ['train', ...options, '--out', run, '--workers', String(workers), '--restarts', String(kills)]
  const child = spawn(process.execPath, [join(root, 'lib/dist/cli/main.js'), ...args, '--trust-network'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const running = { child, output: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (running.output += chunk))
  running.ended = new Promise((done) => child.on('close', done))
  return running
}

try {
  const calm = start(join(scratch, 'calm'))
  assert.equal(await calm.ended, 0, calm.output)

  const run = join(scratch, 'killed')
  const running = start(run)
  let killed = 0
  const restarts = () => running.output.match(/; restart \d+ of/g)?.length ?? 0
  while (killed < kills && running.child.exitCode === null) {
    // From the first moment of a start-up, joining and tracing included, to well within the training.
    while (workersOf(run).size < workers && running.child.exitCode === null) await wait(20)
    await wait(10_000 * random() ** 2)
    const pids = [...workersOf(run).values()]
    const pid = pids[Math.floor(random() * pids.length)]
    if (pid === undefined) continue
    process.kill(pid, 'SIGKILL')
    killed++
    while (restarts() < killed && running.child.exitCode === null) await wait(50)
  }
  assert.equal(await running.ended, 0, running.output)
  assert.equal(killed, kills, `the run ended after ${killed} kills: it needs more steps`)
  assert.equal(restarts(), kills, running.output)
  for (const name of ['model.safetensors', `checkpoints/step-${steps}/optimizer.safetensors`])
    assert(readFileSync(join(run, name)).equals(readFileSync(join(scratch, 'calm', name))), `${name} differs from an undisturbed run's`)
  assert.equal(workersOf(run).size, 0)
  console.log(`ok: ${kills} kills of ${workers} workers in ${steps} steps; weights and optimizer are those of an undisturbed run`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
