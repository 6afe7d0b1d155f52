// What every command needs first. Plain JavaScript, because it runs before anything is installed or compiled: it checks Node and the system,
// installs the npm packages (no install scripts) and compiles.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** Ends the program with what is wrong and what to do about it. */
function fail(problem, remedy) {
  console.error(`makemoe: ${problem}\n  remedy: ${remedy}`)
  process.exit(2)
}

/**
 * Runs a program in the project folder; its output is shown only if it fails. Meanwhile a terminal shows the seconds; elsewhere a line says
 * that it runs if it takes longer than an update.
 */
async function runQuietly(name, program, args, remedy) {
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  const terminal = process.stderr.isTTY
  const show = terminal ? () => process.stderr.write(`\r${name} ${seconds()} s`) : () => console.error(`${name} ...`)
  const showing = terminal ? setInterval(show, 1000) : setTimeout(show, 3000)
  const child = spawn(program, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, npm_config_loglevel: 'error' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const status = await new Promise((resolve) => child.on('error', (error) => resolve(error.message)).on('close', resolve))
  clearTimeout(showing)
  if (terminal && seconds() > 0) process.stderr.write('\r\x1b[K')
  if (status === 0) return
  console.error(output.trim().split('\n').slice(-20).join('\n'))
  fail(`${program} ${args.join(' ')} failed: ${status}`, remedy)
}

/** @param projects the TypeScript projects to compile, from the project's folder */
export async function prepare(...projects) {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) fail(`got Node ${process.versions.node}, expected 20 or newer`, 'install a current Node and run this again')
  if (process.platform === 'win32') fail('TensorFlow has no usable library for Windows', 'use WSL2 (wsl --install) and run this inside it')

  const stamp = join(root, 'node_modules/.makemoe-packages')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
    const start = Date.now()
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
    await runQuietly('npm packages: installing', 'npm', args, 'check the network and the npm registry, then run this again')
    writeFileSync(stamp, lock)
    console.log(`npm packages: installed (${((Date.now() - start) / 1000).toFixed(0)} s)`)
  }
  await runQuietly(
    'compiling',
    process.execPath,
    ['node_modules/typescript/bin/tsc', '--build', ...projects],
    'fix the TypeScript errors above',
  )
}
