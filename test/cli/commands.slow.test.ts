/** The commands as processes: what begins, a signal, the exit status; the rest in one process: commands.test.ts. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { commandIn } from './in-process'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-test-'))
const main = join(__dirname, '..', '..', 'lib', 'dist', 'cli', 'main.js')
const text = join(folder, 'text.txt')
const run = join(folder, 'run')
const tiny = ['--n-embed', '16', '--n-head', '2', '--n-layer', '2', '--block-size', '8', '--num-experts', '4', '--batch-size', '4']
const short = ['--steps', '12', '--eval-interval', '5', '--eval-iters', '2', '--sample', '20', '--text', text]
const makemoe = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', cwd: folder })
  return { status, stdout, stderr }
}

beforeAll(() => writeFileSync(text, 'the quick brown fox jumps over the lazy dog.\n'.repeat(40)))

test('a process prints what this one prints, and its mistake is one line on stderr and status 2', async () => {
  const inProcess = commandIn(folder)
  const args = ['train', ...tiny, ...short]
  const trained = makemoe(...args, '--out', run)
  expect([trained.status, trained.stderr]).toEqual([0, ''])
  expect(trained.stdout).toMatch(/parameters: 0\.0\d+ M/)
  expect(trained.stdout).toMatch(/step 0: train loss \d\.\d{4}, val loss \d\.\d{4}/)
  expect((await inProcess(...args, '--out', join(folder, 'again'))).status).toBe(0)
  const metrics = [run, join(folder, 'again')].map((path) => readFileSync(join(path, 'metrics.jsonl'), 'utf8'))
  const losses = metrics.map((lines) => lines.match(/"loss":[\d.]+/g))
  expect(losses[0]).toEqual(losses[1])
  for (const same of [
    ['evaluate', '--checkpoint', run, '--text', text, '--json'],
    ['generate', '--checkpoint', run, '--prompt', 'the', '--tokens', '15'],
    ['generate', '--checkpoint', run, '--top-p', '2'],
    ['train', '--help'],
  ])
    expect(makemoe(...same)).toEqual(await inProcess(...same))
})

test('Ctrl-C saves the weights and ends with 130', async () => {
  const out = join(folder, 'interrupted')
  const child = spawn(process.execPath, [main, 'train', ...tiny, ...short, '--steps', '100000', '--out', out], { cwd: folder })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
    if (/step 10:/.test(stdout)) child.kill('SIGINT')
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(code).toBe(130)
  expect(stdout).toMatch(/stopped by SIGINT after step \d+; npm run train -- --resume interrupted --text \S+ resumes it/)
  expect(makemoe('evaluate', '--checkpoint', out, '--text', text).status).toBe(0)
  expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).status).toBe('KILLED')
})
