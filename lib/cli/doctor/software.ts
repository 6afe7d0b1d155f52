/** What the setup installs, and what it needs: Node, Python, TensorFlow, Jupyter's kernel, the text. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { commandLine, isInstalled } from '../../base/installed'
import { backend } from '../../engine/tensor/op'
import { tensorflow } from '../../engine/tensorflow/c-api'
import { tensorflowContext } from '../../engine/tensorflow/context'
import { findLibraries, tensorflowVersion } from '../../engine/tensorflow/libraries'
import { paths } from '../setup/paths'
import { findPython } from '../setup/program'
import { tinyShakespeareSha256 } from '../setup/tiny-shakespeare'
import type { Answer, Examination } from './findings'

const setUp = commandLine('setup')

/** What a program prints, or undefined if it is not there or fails. */
function outputOf(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', env, timeout: 60_000 })
  return status === 0 ? stdout.trim() : undefined
}

function python(): Answer {
  const system = findPython()
  const script = ['-c', 'import sys; print(sys.version.split()[0])']
  const found = `${outputOf(system, script)} (${system})`
  const installed = outputOf(paths.python(), script)
  if (installed !== undefined) return `${installed} in ${paths.environment()}; ${found}`
  return [`none in ${paths.environment()}; ${found}`, `${setUp} makes its environment anew`]
}

function tensorflowLibrary(): Answer {
  const file = findLibraries().tensorflow
  backend() // loads it as every command does: with the same variables, and without its notices
  const version = tensorflow().call.TF_Version()
  const different = version !== tensorflowVersion ? `expected ${tensorflowVersion}: remove that folder, then ${setUp}` : undefined
  return [`${version}, ${file}`, different]
}

function devices(): Answer {
  const { gpu, threads } = tensorflowContext()
  const shown = `${gpu ?? 'CPU'}; ${threads.interOp} ops at a time, ${threads.intraOp} threads in each`
  const wanted = process.env.MAKEMOE_THREADS
  if (wanted !== undefined && wanted !== `${threads.interOp}/${threads.intraOp}`)
    return [shown, `MAKEMOE_THREADS is ${wanted}, expected two positive integers such as 2/1`]
  return shown
}

/** Whether Jupyter finds the kernel, and the kernel its programs. */
function kernel(): Answer {
  if (!existsSync(paths.jupyter()))
    return isInstalled()
      ? 'JupyterLab is not installed (npx makemoe start brings it)'
      : ['JupyterLab is not installed', `${setUp} brings it`]
  const env = { ...process.env, JUPYTER_PATH: [paths.jupyterData(), process.env.JUPYTER_PATH].filter(Boolean).join(delimiter) }
  const listed = outputOf(paths.python(), ['-m', 'jupyter_client.kernelspecapp', 'list', '--json'], env)
  if (listed === undefined) return ['Jupyter does not answer', `remove ${paths.environment()}, then ${setUp}`]
  type Listed = { readonly kernelspecs: Readonly<Record<string, { readonly spec: { readonly argv: readonly string[] } }>> }
  const argv = (JSON.parse(listed) as Listed).kernelspecs.tslab?.spec.argv // Jupyter's own format
  if (!argv) return ['Jupyter does not find it', `${setUp} registers it`]
  const missing = argv.slice(0, 2).find((file) => !existsSync(file))
  if (missing !== undefined) return [`found by Jupyter, but ${missing} is not there`, `${setUp} registers it anew`]
  if (argv[1] !== paths.kernel()) return [`found by Jupyter, but it is another project's: ${argv[1]}`, `${setUp} registers this one`]
  return 'found by Jupyter'
}

function text(): Answer {
  const file = paths.text()
  if (!existsSync(file)) return ['Tiny Shakespeare is not there', `${setUp} brings it`]
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  if (sha256 === tinyShakespeareSha256) return 'Tiny Shakespeare, checksum right'
  return [
    `${file}: its sha256 is ${sha256.slice(0, 12)}, Tiny Shakespeare's ${tinyShakespeareSha256.slice(0, 12)}`,
    `remove it, then ${setUp}; a text of your own is better given with --text`,
  ]
}

export const softwareExaminations: readonly Examination[] = [
  {
    what: 'Node',
    look: () =>
      `${process.versions.node} (${process.execPath})${process.env.NODE_OPTIONS ? `, NODE_OPTIONS=${process.env.NODE_OPTIONS}` : ''}`,
  },
  { what: 'Python', look: python },
  { what: 'TensorFlow', look: tensorflowLibrary },
  {
    what: 'oneDNN',
    look: () =>
      process.env.TF_ENABLE_ONEDNN_OPTS === '0' ? ['off', 'unset TF_ENABLE_ONEDNN_OPTS: steps take up to 15 % longer without'] : 'on',
  },
  { what: 'device', look: devices, remedy: 'see TensorFlow above' },
  { what: 'kernel', look: kernel },
  { what: 'text', look: text },
]
