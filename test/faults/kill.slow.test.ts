/**
 * A training process is killed without warning, again and again; every time its newest checkpoint must load, and the run that is resumed
 * until its end must have the weights and metrics of one that was never disturbed. KILLS says how often (.ci/run: 100).
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkpointIn, loadResumable, newestCheckpoint } from 'makemoe/dist/runs/run-folder'
import { readRunRecord } from 'makemoe/dist/runs/track/run-record'
import { expect, test } from 'vitest'

const kills = Number(process.env.KILLS ?? 20)
const main = join(__dirname, '../../lib/dist/cli/main.js')
const folder = mkdtempSync(join(tmpdir(), 'makemoe-kill-'))
const text = join(folder, 'text.txt')
writeFileSync(text, 'the quick brown fox jumps over the lazy dog. '.repeat(40))
const sizes = '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --eval-iters 2 --eval-interval 5 --sample 5'
const options = [...sizes.split(' '), '--preset', 'makemoe', '--steps', '60', '--checkpoint-every', '3', '--text', text]

/** Milliseconds: less than a whole run takes, and more than one that is resumed late, so that kills fall anywhere and runs end after some. */
let killWithin = 0

/** The metrics that do not depend on the clock. */
const metricsOf = (run: string): unknown[] =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const { time: _time, tokens_per_second: _speed, ...metric } = JSON.parse(line)
      return metric
    })

/** Starts or goes on with a run; kills it after a while. True if it was quicker. */
const runAndKill = (run: string, milliseconds: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const begun = newestCheckpoint(run) !== undefined
    if (begun && readRunRecord(run).status === 'FINISHED') return resolve(true) // killed when all was done
    if (!begun) rmSync(run, { recursive: true, force: true })
    const args = begun
      ? ['train', '--resume', run, '--text', text, '--sample', '5', '--checkpoint-every', '3']
      : ['train', ...options, '--out', run]
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (code !== null && code !== 0) reject(new Error(`${args.join(' ')} ended by itself with ${code}: ${stderr}`))
      else resolve(code === 0)
    })
  })

/** From start to end with kills on the way, at most `most`; returns how many. */
async function disturbed(run: string, random: () => number, most: number): Promise<number> {
  for (let count = 0; ; count++) {
    // In the middle of starting, tracing, training, or writing a checkpoint; once there were enough, until the end.
    const begun = Date.now()
    const finished = await runAndKill(run, count < most ? random() * killWithin : 300_000)
    if (finished && count === 0) killWithin = Math.min(killWithin, 0.8 * (Date.now() - begun)) // the machine is less busy than it was
    if (finished) return count
    const newest = newestCheckpoint(run)
    if (newest) expect(loadResumable(run).state.step).toBe(Number(newest.slice(newest.lastIndexOf('-') + 1)))
  }
}

test(`${kills} kills: every checkpoint loads, and every resumed run ends as one that was not disturbed`, {
  timeout: 3_600_000,
}, async () => {
  const calm = join(folder, 'calm')
  const begun = Date.now()
  expect(spawnSync(process.execPath, [main, 'train', ...options, '--out', calm], { encoding: 'utf8' }).status).toBe(0)
  const weights = readFileSync(join(calm, 'model.safetensors'))
  killWithin = 0.8 * (Date.now() - begun)
  const metrics = metricsOf(calm)
  let seed = 12345
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }
  let total = 0
  for (let i = 0; total < kills; i++) {
    const run = join(folder, `run-${i}`)
    total += await disturbed(run, random, Math.min(10, kills - total))
    expect(Buffer.compare(readFileSync(join(run, 'model.safetensors')), weights)).toBe(0)
    expect(metricsOf(run)).toEqual(metrics)
    expect(existsSync(join(run, 'sample.txt'))).toBe(true)
    expect(checkpointIn(run)).toBe(run)
    rmSync(run, { recursive: true, force: true })
  }
})

test('a checkpoint that was being written when the process ended does not count', () => {
  const run = join(folder, 'half')
  expect(spawnSync(process.execPath, [main, 'train', ...options, '--out', run]).status).toBe(0)
  const newest = newestCheckpoint(run) as string
  cpSync(newest, join(run, 'checkpoints/step-99.partial'), { recursive: true })
  expect(newestCheckpoint(run)).toBe(newest)
  expect(readdirSync(join(run, 'checkpoints')).filter((name) => !name.endsWith('.partial')).length).toBeLessThanOrEqual(3)
})
