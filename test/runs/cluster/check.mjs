// Trains with two workers, kills one for good, and resumes with one process: node test/runs/cluster/check.mjs
// Run by .ci/run.
import assert from 'node:assert'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { workersOf } from './workers.mjs'

const root = resolve(import.meta.dirname, '../../..')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-check-'))
const run = join(scratch, 'run')
const main = join(root, 'lib/dist/cli/main.js')
const text = join(root, 'README.md')
const sizes = '--n-embed 32 --n-head 2 --n-layer 2 --num-experts 4 --batch-size 8 --eval-iters 2 --eval-interval 1000 --capacity-factor 1'
const args = ['train', ...sizes.split(' '), '--text', text, '--sample', '20', '--steps', '100000', '--checkpoint-every', '20']

const steps = () =>
  existsSync(join(run, 'metrics.jsonl')) ? readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').length : 0

try {
  const child = spawn(process.execPath, [main, ...args, '--out', run, '--workers', '2', '--restarts', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = new Promise((done) => child.on('close', done))
  for (const minimum of [25, 60]) {
    while (steps() < minimum && child.exitCode === null) await new Promise((done) => setTimeout(done, 100))
    const pid = workersOf(run).get(1)
    assert(pid, output)
    process.kill(pid, 'SIGKILL')
    while (workersOf(run).get(1) === pid) await new Promise((done) => setTimeout(done, 50))
  }
  const killed = Date.now()
  assert.equal(await ended, 3, output)
  assert(Date.now() - killed < 10_000, `all ended ${Date.now() - killed} ms after the kill`)
  assert.match(output, /2 workers, --parallel experts: 8 sequences a step in total, 4 in each worker/)
  assert.match(output, /worker 1 was killed by SIGKILL; all 2 workers have ended; restart 1 of 1 from the last checkpoint/)
  assert.match(output, /worker 1 was killed by SIGKILL; all 2 workers have ended, after 1 of 1 restarts/)

  const checkpoints = readdirSync(join(run, 'checkpoints')).map((name) => Number(name.slice('step-'.length)))
  const last = Math.max(...checkpoints) + 10
  const alone = spawnSync(process.execPath, [main, 'train', '--resume', run, '--steps', String(last), '--text', text, '--sample', '20'], {
    encoding: 'utf8',
  })
  assert.equal(alone.status, 0, alone.stderr)
  assert(existsSync(join(run, 'model.safetensors')))
  console.log(`ok: two workers, one killed twice, resumed by one process until step ${last}`)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
