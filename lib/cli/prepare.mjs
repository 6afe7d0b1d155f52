// What every command needs first. Plain JavaScript, because it runs before anything is installed or compiled: it checks Node and the system,
// installs the npm packages (no install scripts) and compiles.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npmArguments, npmEnvironment, Packages } from './setup/packages.mjs'
import { takeTurn } from './setup/turn.mjs'

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
async function runQuietly(name, program, args, remedy, env = process.env) {
  const start = Date.now()
  const seconds = () => Math.round((Date.now() - start) / 1000)
  const terminal = process.stderr.isTTY
  const show = terminal ? () => process.stderr.write(`\r${name} ${seconds()} s`) : () => console.error(`${name} ...`)
  const showing = terminal ? setInterval(show, 1000) : setTimeout(show, 3000)
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const status = await new Promise((resolve) => child.on('error', (error) => resolve(error.message)).on('close', resolve))
  clearTimeout(showing)
  if (terminal && seconds() > 0) process.stderr.write('\r\x1b[K')
  if (status === 0) return
  if (status === `spawn ${program} ENOENT`) fail(`${program} is not on the PATH`, `install ${program} and run this again`)
  console.error(output.trim().split('\n').slice(-20).join('\n'))
  fail(`${program} ${args.join(' ')} failed: ${status}`, remedy)
}

/** @param projects the TypeScript projects to compile, from the project's folder */
export async function prepare(...projects) {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) fail(`got Node ${process.versions.node}, expected 20 or newer`, 'install a current Node and run this again')
  if (process.platform === 'win32') fail('TensorFlow has no usable library for Windows', 'use WSL2 (wsl --install) and run this inside it')

  const giveBack = await takeTurn(root, console.error)
  const packages = new Packages(root)
  if (!packages.installed()) {
    const start = Date.now()
    packages.forget()
    const remedy = 'check the network and the npm registry, then run this again'
    await runQuietly('npm packages: installing', 'npm', npmArguments, remedy, npmEnvironment())
    const [missing] = packages.missing()
    if (missing !== undefined) fail(`npm did not install ${missing}`, 'see what `npm config list` changes, and run this again')
    packages.note()
    console.log(`npm packages: installed (${((Date.now() - start) / 1000).toFixed(0)} s)`)
  }
  await runQuietly(
    'compiling',
    process.execPath,
    ['node_modules/typescript/bin/tsc', '--build', ...projects],
    'fix the TypeScript errors above',
  )
  await import('./bundle.mjs')
  giveBack()
  returnToCaller()
}

/** npm runs scripts in the project's folder; relative paths are meant from where the person called it. */
function returnToCaller() {
  const { npm_command, npm_package_json, INIT_CWD } = process.env
  const byNpm = npm_command !== undefined && npm_package_json === join(root, 'package.json') && process.cwd() === root
  if (byNpm && INIT_CWD !== undefined && existsSync(INIT_CWD)) process.chdir(INIT_CWD)
}
