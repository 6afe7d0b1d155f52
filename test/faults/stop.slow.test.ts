/**
 * A training is stopped at any moment: it saves or says that there is nothing to save, and the run that is resumed ends as one that was
 * never stopped. STOPS says how often, besides the fixed cases.
 */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newestCheckpoint } from 'makemoe/dist/runs/run-folder'
import { metricsIn } from 'makemoe/dist/runs/track/metrics-file'
import { readRunRecord } from 'makemoe/dist/runs/track/run-record'
import { beforeAll, describe, expect, test } from 'vitest'

const stops = Number(process.env.STOPS ?? 3)
const main = join(__dirname, '../../lib/dist/cli/main.js')
const python = join(__dirname, '../../.venv/bin/python')
const folder = mkdtempSync(join(tmpdir(), 'makemoe-stop-'))
const text = join(folder, 'text.txt')
writeFileSync(text, 'the quick brown fox jumps over the lazy dog. '.repeat(40))
const sizes =
  '--n-embed 8 --n-head 2 --n-layer 1 --num-experts 2 --block-size 8 --batch-size 2 --eval-iters 2 --eval-interval 50 --sample 5'
const options = [...sizes.split(' '), '--steps', '400', '--text', text]
const statuses = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
type Stop = keyof typeof statuses

/** Trains to the end. */
const train = (...args: string[]) => spawnSync(process.execPath, [main, 'train', ...args], { encoding: 'utf8' })

/** Trains until a signal after so many milliseconds, or when it has said something. */
const stopped = (run: string, signal: Stop, when: number | RegExp) =>
  new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, [main, 'train', ...options, '--out', run], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr, sent] = ['', '', false]
    const timer = typeof when === 'number' ? setTimeout(() => child.kill(signal), when) : undefined
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk
    })
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk
      if (sent || typeof when === 'number' || !when.test(stdout)) return
      sent = true
      child.kill(signal)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, stdout, stderr })
    })
  })

/** The metrics that do not depend on the clock. */
const numbersOf = (run: string) => [...metricsIn(run)].map(({ time: _time, tokens_per_second: _speed, ...metric }) => metric)
const weightsOf = (run: string) => readFileSync(join(run, 'model.safetensors'))

const calm = join(folder, 'calm')
let duration = 0
beforeAll(() => {
  const begun = Date.now()
  expect(train(...options, '--out', calm)).toMatchObject({ status: 0, stderr: '' })
  duration = Date.now() - begun
})

/** What must be true of a stopped run; then it is resumed. */
function checkStop(run: string, signal: Stop, { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }): void {
  expect(stderr).toBe('')
  if (code === null || /nothing to save/.test(stdout)) {
    if (code === null)
      expect(stdout).toBe('') // before its first line
    else expect([code, stdout]).toEqual([statuses[signal], expect.stringMatching(/the same command starts it again\n$/)])
    expect(existsSync(run)).toBe(false)
    return
  }
  const { status } = readRunRecord(run)
  if (code === 0) expect([status, stdout]).toEqual(['FINISHED', expect.stringContaining('saved in')])
  else {
    const last = new RegExp(`stopped by ${signal} after step \\d+; npm run train -- --resume \\S+ --text ${text} resumes it\n$`)
    expect([code, status, stdout]).toEqual([statuses[signal], 'KILLED', expect.stringMatching(last)])
    expect(newestCheckpoint(run)).toBeDefined()
    expect(train('--resume', run, '--text', text, '--sample', '5')).toMatchObject({ status: 0, stderr: '' })
  }
  expect(Buffer.compare(weightsOf(run), weightsOf(calm))).toBe(0)
  expect(numbersOf(run)).toEqual(numbersOf(calm))
}

describe('stopped', () => {
  test.each<[string, Stop, RegExp]>([
    ['before the first step', 'SIGINT', /parameters: /],
    ['by the end of its terminal', 'SIGHUP', /step 50: /],
  ])('%s', async (name, signal, when) => {
    const run = join(folder, name.replaceAll(' ', '-'))
    checkStop(run, signal, await stopped(run, signal, when))
  })

  test(`${stops} times at moments drawn at random`, async () => {
    let seed = Number(process.env.STOPS_SEED ?? 7)
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      return seed / 2 ** 32
    }
    const signals: readonly Stop[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
    for (let i = 0; i < stops; i++) {
      const run = join(folder, `random-${i}`)
      const signal = signals[i % signals.length] ?? 'SIGINT'
      checkStop(run, signal, await stopped(run, signal, random() * duration))
    }
  })

  test('a terminal that is closed', () => {
    const run = join(folder, 'terminal')
    const script = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
while b'step 50:' not in said:
    said += os.read(terminal, 1 << 16)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`
    const { stdout, stderr } = spawnSync(python, ['-c', script, process.execPath, main, 'train', ...options, '--out', run], {
      encoding: 'utf8',
    })
    expect([stdout, stderr]).toEqual(['-1\n', '']) // by SIGHUP, when all was saved
    expect(readRunRecord(run).status).toBe('KILLED')
    expect(Number(/step-(\d+)$/.exec(newestCheckpoint(run) ?? '')?.[1])).toBeGreaterThanOrEqual(50)
    expect(train('--resume', run, '--text', text, '--sample', '5')).toMatchObject({ status: 0, stderr: '' })
    expect(Buffer.compare(weightsOf(run), weightsOf(calm))).toBe(0)
  })
})

test('no steps at all are a run, too', () => {
  const run = join(folder, 'none')
  expect(train(...options, '--steps', '0', '--out', run)).toMatchObject({
    status: 0,
    stderr: '',
    stdout: expect.stringContaining('saved in'),
  })
  expect(readRunRecord(run).status).toBe('FINISHED')
})

test('empty and torn lines among the metrics do not keep a run from its end', () => {
  const run = join(folder, 'torn')
  expect(train(...options, '--steps', '60', '--checkpoint-every', '60', '--out', run).status).toBe(0)
  const file = join(run, 'metrics.jsonl')
  const lines = readFileSync(file, 'utf8').split('\n')
  const torn = [...lines.slice(0, 10), '', '{"step": 3, "lo', 'null', '7', '\0\0\0', ...lines.slice(10, -2)].join('\n')
  writeFileSync(file, `${torn}\n\n`)
  appendFileSync(file, '{"step": 59, "loss": 2.')
  expect(train('--resume', run, '--steps', '120', '--text', text, '--sample', '5')).toMatchObject({ status: 0, stderr: '' })
  const steps = numbersOf(run).map(({ step }) => step)
  expect(steps.filter((step) => step === 119)).toHaveLength(2) // its evaluation and its step
  expect(readdirSync(run)).toContain('loss.html')
})
