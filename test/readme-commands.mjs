// Runs each command line that the README shows, as it stands but for placeholders and smaller numbers, one after the other in this checkout.
// node test/readme-commands.mjs [WORD...] [--without WORD...]: of the lines, only those that contain one of the words, and none of the others.
// Prints a line for each; a line that it does not know fails. Run by .ci/run.
import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-readme-'))
const run = join(scratch, 'run')
const tiny = '--n-embed 32 --n-head 2 --n-layer 2 --eval-interval 10 --eval-iters 2 --sample 50'
const port = 5000 + (process.pid % 1000)

/** The lines of the README's shell blocks, without comments. */
const lines = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```sh\n(.*?)```/gs)]
  .flatMap(([, block]) => block.split('\n'))
  .map((line) => line.replace(/\s+#.*/, '').trim())
  .filter((line) => line !== '')

/** What the README leaves to the reader. */
const filled = (line) =>
  line
    .replaceAll('data/runs/NAME', run)
    .replaceAll('my-parts.ts', join(scratch, 'my-parts.ts'))
    .replaceAll('my.txt', join(scratch, 'my.txt'))
    .replaceAll('model.safetensors', join(scratch, 'model.safetensors'))
    .replaceAll('model.html', join(scratch, 'model.html'))
    .replaceAll('DIR', join(scratch, 'imported'))
    .replaceAll('127.0.0.1:5000', `127.0.0.1:${port}`)

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds))

/** Runs a line to its end. */
async function execute(line) {
  const child = spawn('/bin/sh', ['-c', line], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const status = await new Promise((done) => child.on('close', done))
  assert.equal(status, 0, `${line}\n${output.slice(-3000)}`)
  return output
}

/** Starts a line that serves; resolves, once `ready` appears in its output, with what stops it: SIGTERM, which must free its port. */
async function serve(line, ready) {
  const child = spawn('/bin/sh', ['-c', `exec ${line}`], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const served = new Promise((done, fail) => {
    child.on('close', () => fail(new Error(`${line}\n${output.slice(-3000)}`)))
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk
        const found = ready.exec(output)
        if (found) done(Number(found[1]))
      })
  })
  const port = await served
  return async () => {
    child.kill('SIGTERM')
    await new Promise((done) => ((child.exitCode ?? child.signalCode) === null ? child.on('close', done) : done()))
    const answers = () =>
      new Promise((done) => {
        const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false))
        socket.unref()
      })
    for (let i = 0; await answers(); i++) {
      assert(i < 20, `port ${port} still answers after SIGTERM to ${line}`)
      await wait(500)
    }
  }
}
/** Stops the MLflow server that later lines need. */
let stopMlflow
const ran =
  (more = '') =>
  (line) =>
    execute(`${line} ${more}`)
const requireFiles = (folder, names) => {
  for (const name of names) assert(existsSync(join(folder, name)), `${name} is missing in ${folder}`)
}

/** How each line is run: the first pattern that fits. */
const commands = [
  [/^npm start$/, async (line) => (await serve(`${line} -- --no-browser`, /http:\/\/127\.0\.0\.1:(\d+)\/lab\?token=\w+/))()],
  [/^npm test$/, ran('-- config')],
  [
    /train -- --preset makemoe$/,
    async (line) => {
      await execute(`${line} ${tiny} --steps 20 --out ${run}`)
      requireFiles(run, ['config.json', 'model.safetensors', 'metrics.jsonl', 'run.json', 'loss.html', 'sample.txt', 'checkpoints'])
      copyFileSync(join(run, 'model.safetensors'), join(scratch, 'model.safetensors'))
      writeFileSync(join(scratch, 'my.txt'), readFileSync(join(root, 'README.md')))
    },
  ],
  [/train -- --preset tiny$/, ran(`--steps 20 --sample 50 --eval-iters 2 --out ${join(scratch, 'tiny')}`)],
  [
    /train -- --parts my-parts/,
    async (line) => {
      const [, source] = /```ts\n(\/\/ my-parts\.ts\n.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
      writeFileSync(join(scratch, 'my-parts.ts'), source)
      await execute(`${line} ${tiny} --steps 20 --out ${join(scratch, 'parts')}`)
    },
  ],
  [/train -- --workers/, ran(`${tiny} --steps 20 --out ${join(scratch, 'workers')}`)],
  [/train -- --resume/, ran('--steps 25 --sample 50')],
  [/train -- --text shakespeare$/, ran(`${tiny} --steps 20 --out ${join(scratch, 'plays')}`)],
  [/train -- --steps 300 --text/, ran(`${tiny} --steps 20 --out ${join(scratch, 'other')}`)],
  [/generate --/, async (line) => assert.match(await execute(line), /ROMEO:.{500}/s)],
  [/evaluate --/, async (line) => assert.match(await execute(line), /nats/)],
  [
    /^npm run mlflow$/,
    async (line) => {
      stopMlflow = await serve(`${line} -- --port ${port}`, /Uvicorn running on http:\/\/127\.0\.0\.1:(\d+)/)
    },
  ],
  [/^MLFLOW_TRACKING_URI=\S+ npm run train$/, ran(`-- ${tiny} --steps 20 --out ${join(scratch, 'tracked')}`)],
  [
    /mlflow -- --sync/,
    async (line) => {
      await execute(`MLFLOW_TRACKING_URI=http://127.0.0.1:${port} ${line}`)
      await stopMlflow?.()
      stopMlflow = undefined
    },
  ],
  [
    /^npm run inspect/,
    async (line) => {
      assert.match(await execute(`${line} --characters 2000`), /inspect\.html/)
      requireFiles(run, ['inspect.html'])
    },
  ],
  [
    /^npm run compare/,
    async (line) => {
      const small = '--n-embed 16 --n-head 2 --n-layer 1 --block-size 16 --steps 20 --eval-iters 2'
      assert.match(await execute(`${line} ${small} --out ${join(scratch, 'compare')}`), /dense, equal total parameters .*within noise/s)
      requireFiles(join(scratch, 'compare'), ['dense.json', 'dense.html', 'measurements'])
    },
  ],
  [/^npm run export/, async (line) => assert.match(await execute(`${line} --characters 200`), /model\.html/)],
  [/bench --/, async (line) => assert.match(await execute(`${line} --rounds 1`), /ours, eager.*makeMoE\.py/s)],
  [/notebooks$/, ran()],
  [
    /import --/,
    async (line) => {
      await execute(line)
      assert(readFileSync(join(scratch, 'model.safetensors')).equals(readFileSync(join(scratch, 'imported', 'model.safetensors'))))
    },
  ],
]

const words = process.argv.slice(2)
const end = words.includes('--without') ? words.indexOf('--without') : words.length
const [wanted, unwanted] = [words.slice(0, end), words.slice(end + 1)]
const contains = (line, some) => some.some((word) => line.includes(word))
const chosen = lines.filter((line) => (wanted.length === 0 || contains(line, wanted)) && !contains(line, unwanted))
assert(chosen.length > 0, 'expected words of which the README has lines')
let failed = 0
for (const line of chosen) {
  const start = Date.now()
  try {
    const [, command] = commands.find(([pattern]) => pattern.test(line)) ?? assert.fail(`the test does not know: ${line}`)
    await command(filled(line))
    console.log(`ok      ${line} (${Math.round((Date.now() - start) / 1000)} s)`)
  } catch (error) {
    failed++
    console.log(`FAILED  ${line}\n${error.message}`)
  }
}
await stopMlflow?.()
rmSync(scratch, { recursive: true, force: true })
process.exit(failed === 0 ? 0 : 1)
