// The one piece of plain JavaScript: what must run before anything is installed or compiled.
// It checks Node and the system, installs the npm packages (no install scripts), compiles lib, and then
// hands over to the TypeScript commands in lib/cli. Every `npm run` script of the project enters here.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Ends the program with what is wrong and what to do about it. */
function fail(problem, remedy) {
  console.error(`makemoe: ${problem}\n  remedy: ${remedy}`)
  process.exit(2)
}

/** Runs a program in the project folder; its output is shown only if it fails. */
function runQuietly(program, args, remedy) {
  const result = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, npm_config_loglevel: 'error' },
  })
  if (result.error || result.status !== 0) {
    console.error(`${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-20).join('\n'))
    fail(`${program} ${args.join(' ')} failed${result.error ? `: ${result.error.message}` : ''}`, remedy)
  }
}

const major = Number(process.versions.node.split('.')[0])
if (major < 20) fail(`got Node ${process.versions.node}, expected 20 or newer`, 'install a current Node and run this again')
if (process.platform === 'win32') fail('TensorFlow has no usable library for Windows', 'use WSL2 (wsl --install) and run this inside it')

const stamp = join(root, 'node_modules/.makemoe-packages')
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  const start = Date.now()
  runQuietly('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], 'check the network and the npm registry, then run this again')
  writeFileSync(stamp, lock)
  console.log(`npm packages: installed (${((Date.now() - start) / 1000).toFixed(0)} s)`)
}
runQuietly(process.execPath, ['node_modules/typescript/bin/tsc', '--build', 'lib'], 'mend the TypeScript errors above')

createRequire(import.meta.url)('../dist/cli/main.js')
  .main(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code
  })
