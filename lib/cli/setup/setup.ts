/**
 * The set-up: a fresh clone becomes a working project. Each step knows when it is already done (a key of its inputs, kept in `.venv`),
 * writes beside its place and renames at the end, so that an interrupted set-up is simply run again.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { SetupError } from '../../errors'
import { writeFileWhole } from '../../files'
import { downloadTinyShakespeare } from '../../text/corpus'
import { paths, projectRoot } from './paths'
import { type TensorflowWheel, tensorflowVersion, tensorflowWheel } from './platform'

/** What to set up. */
export interface SetupOptions {
  /** Take the CUDA build of TensorFlow and its libraries. Default: what was chosen before, else false. */
  readonly gpu?: boolean
  /** Install JupyterLab and the TypeScript kernel too. */
  readonly jupyter: boolean
  /** Install MLflow too, in an environment of its own. */
  readonly mlflow?: boolean
  /** Install PyTorch too, for the bench. */
  readonly pytorch?: boolean
  /** Fetch the text too. */
  readonly text: boolean
}

interface Step {
  readonly name: string
  /** Changes whenever the step must be done again. */
  readonly key: string
  /** The file whose presence proves the step. */
  readonly product: string
  /** Does the work and says in a few words what was done. */
  run(): Promise<string>
}

type Stamps = Record<string, string>

const hash = (...parts: string[]): string => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16)

function readStamps(): Stamps {
  try {
    return JSON.parse(readFileSync(paths.stamps(), 'utf8')) as Stamps
  } catch {
    return {}
  }
}

/** The remedy that fits what a failed program printed. */
function remedyFor(output: string, otherwise: string): string {
  if (/No space left|ENOSPC/i.test(output)) return 'the disk is full: free about 3 GB and run this again'
  if (/hashes? .*(do not|did not) match|THESE PACKAGES DO NOT MATCH/i.test(output))
    return 'a download differs from its pinned checksum: try again, and if it persists, distrust the package index or proxy'
  if (/resolve host|Name or service|NewConnectionError|No matching distribution|Read timed out|Network is unreachable/i.test(output))
    return "the Python package index was not reached: check the network (or pip's proxy settings) and run this again"
  if (/No module named pip/i.test(output)) return 'this Python has no pip: install python3-pip and python3-venv and run this again'
  return otherwise
}

/** Runs a program without blocking; resolves with its output, or throws with its last lines and a remedy. */
function run(program: string, args: readonly string[], remedy: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-20_000)
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)
    child.on('error', (error) => reject(new SetupError(`${program} could not be started: ${error.message}`, remedy)))
    child.on('close', (code) => {
      if (code === 0) resolve(output)
      else {
        const lastLines = output.trim().split('\n').slice(-6).join('\n  ')
        reject(new SetupError(`${program} ${args.slice(0, 4).join(' ')} … ended with ${code}:\n  ${lastLines}`, remedyFor(output, remedy)))
      }
    })
  })
}

/**
 * A Python >= 3.10: `$PYTHON` if set, else the first that answers.
 * @throws SetupError if there is none.
 */
export function findPython(): string {
  const seen: string[] = []
  const candidates = process.env.PYTHON
    ? [process.env.PYTHON]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python']
  for (const candidate of candidates) {
    const answer = spawnSync(candidate, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { encoding: 'utf8' })
    if (answer.status !== 0) continue
    const [major = 0, minor = 0] = answer.stdout.trim().split('.').map(Number)
    if (major === 3 && minor >= 10) return candidate
    seen.push(`${candidate} is ${answer.stdout.trim()}`)
  }
  throw new SetupError(
    `expected Python 3.10 or newer, got ${seen.join(', ') || 'none'}`,
    'install Python (Debian: apt install python3 python3-venv; macOS: brew install python) or set PYTHON to one',
  )
}

/** A C++ compiler: `$CXX`, else the first of c++, g++, clang++. */
function findCompiler(): string {
  for (const candidate of process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'])
    if (spawnSync(candidate, ['--version']).status === 0) return candidate
  throw new SetupError(
    'no C++ compiler was found',
    'install one (Debian: apt install g++; macOS: xcode-select --install) or set CXX to one, and run this again',
  )
}

function environmentStep(): Step {
  return {
    name: 'Python environment',
    key: hash(projectRoot()),
    product: paths.python(),
    async run() {
      const python = findPython()
      const remedy = 'this Python lacks venv or ensurepip (Debian: apt install python3-venv); then run this again'
      await run(python, ['-m', 'venv', '--clear', paths.environment()], remedy)
      return relative(projectRoot(), paths.environment())
    },
  }
}

const extractMembers = `
import sys, zipfile
wheel, target, *libraries = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        if name.startswith('tensorflow/include/') or name.split('/')[-1] in libraries:
            z.extract(name, target)
`

function tensorflowStep(wheel: TensorflowWheel, gpu: boolean): Step {
  const home = paths.tensorflow()
  return {
    name: `TensorFlow ${tensorflowVersion}${gpu ? ' with CUDA' : ''}`,
    key: hash(wheel.sha256, gpu ? readFileSync(paths.beside('cuda.txt'), 'utf8') : ''),
    product: join(home, 'tensorflow', wheel.libraries[0]),
    async run() {
      const partial = `${home}.partial`
      rmSync(partial, { recursive: true, force: true })
      mkdirSync(partial, { recursive: true })
      const requirement = join(partial, 'tensorflow.txt')
      writeFileSync(requirement, `${wheel.package}==${tensorflowVersion} --hash=sha256:${wheel.sha256}\n`)
      const target = ['--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312', '--platform', wheel.platformTag]
      const download = ['--no-deps', '--only-binary=:all:', '--no-cache-dir', ...target, '--require-hashes', '-r', requirement]
      const again = 'run this again; if it fails the same way, the message above says why'
      await run(paths.python(), ['-m', 'pip', 'download', '-d', partial, ...download], again)
      const tags = `cp312-cp312-${wheel.platformTag}`
      const file = join(partial, `${wheel.package.replace('-', '_')}-${tensorflowVersion}-${tags}.whl`)
      await run(paths.python(), ['-c', extractMembers, file, partial, ...wheel.libraries], again)
      rmSync(file)
      if (gpu) {
        const cuda = ['--no-deps', '--require-hashes', '-r', paths.beside('cuda.txt')]
        await run(paths.python(), ['-m', 'pip', 'install', '--target', partial, ...cuda], again)
      }
      rmSync(home, { recursive: true, force: true })
      renameSync(partial, home)
      return `${wheel.megabytes} MB fetched, checksum right`
    },
  }
}

function addonStep(wheel: TensorflowWheel): Step {
  const addon = paths.addon()
  const tensorflow = join(paths.tensorflow(), 'tensorflow')
  const tfjs = paths.tfjs()
  const origin = process.platform === 'darwin' ? '@loader_path' : '$ORIGIN'
  const flags = [
    ...['-std=c++17', '-O2', '-fPIC', ...wheel.linkFlags],
    ...['-DNAPI_VERSION=8', '-DNODE_GYP_MODULE_NAME=tfjs_binding', '-DBUILDING_NODE_EXTENSION'],
    ...['-I', join(projectRoot(), 'node_modules/node-api-headers/include'), '-I', tfjs, '-I', join(tensorflow, 'include')],
    ...[join(tfjs, 'binding/tfjs_backend.cc'), join(tfjs, 'binding/tfjs_binding.cc')],
    ...wheel.libraries.map((library) => join(tensorflow, library)),
    `-Wl,-rpath,${origin}/${relative(dirname(addon), tensorflow)}`,
  ]
  return {
    name: 'tfjs addon',
    key: hash(wheel.sha256, projectRoot(), flags.join(' ')),
    product: addon,
    async run() {
      const compiler = findCompiler()
      mkdirSync(dirname(addon), { recursive: true })
      await run(
        compiler,
        [...flags, '-o', `${addon}.partial`],
        "see the compiler's message above; GCC 9 or Clang 10 and newer are known to work",
      )
      renameSync(`${addon}.partial`, addon)
      return `compiled with ${compiler}, ${(statSync(addon).size / 1e6).toFixed(1)} MB`
    },
  }
}

function jupyterStep(): Step {
  const lock = paths.beside('jupyter.txt')
  return {
    name: 'JupyterLab',
    key: hash(readFileSync(lock, 'utf8')),
    product: paths.jupyter(),
    async run() {
      await run(paths.python(), ['-m', 'pip', 'install', '--require-hashes', '--only-binary=:all:', '-r', lock], 'run this again')
      return 'with plotly, in the Python environment'
    },
  }
}

function pytorchStep(): Step {
  const version = '2.13.0'
  return {
    name: 'PyTorch',
    key: hash(version),
    product: paths.pytorch(),
    async run() {
      await run(paths.python(), ['-m', 'pip', 'install', `torch==${version}`, 'numpy'], 'run this again')
      writeFileWhole(paths.pytorch(), `${version}\n`)
      return version
    },
  }
}

function mlflowStep(): Step {
  const lock = paths.beside('mlflow.txt')
  const home = dirname(paths.mlflowBin())
  return {
    name: 'MLflow',
    key: hash(readFileSync(lock, 'utf8')),
    product: join(paths.mlflowBin(), 'mlflow'),
    async run() {
      await run(paths.python(), ['-m', 'venv', '--clear', home], 'run this again')
      const python = join(paths.mlflowBin(), 'python')
      await run(python, ['-m', 'pip', 'install', '--require-hashes', '--only-binary=:all:', '-r', lock], 'run this again')
      return 'in an environment of its own'
    },
  }
}

function kernelStep(): Step {
  const file = join(paths.kernelspec(), 'kernel.json')
  const tslab = join(projectRoot(), 'node_modules/tslab/bin/tslab')
  const spec = {
    argv: [process.execPath, tslab, 'kernel', '--config-path', '{connection_file}'],
    display_name: 'TypeScript (makeMoE)',
    language: 'typescript',
    interrupt_mode: 'signal',
    env: { TF_CPP_MIN_LOG_LEVEL: '2' },
  }
  const text = `${JSON.stringify(spec, null, 2)}\n`
  return {
    name: 'TypeScript kernel',
    key: hash(text),
    product: file,
    async run() {
      writeFileWhole(file, text)
      return `Node ${process.versions.node}`
    },
  }
}

function textStep(): Step {
  return {
    name: 'Tiny Shakespeare',
    key: 'present',
    product: paths.text(),
    async run() {
      const bytes = await downloadTinyShakespeare(paths.text())
      if (bytes === undefined) return 'no network: the 154 sonnets serve until data/input.txt is there'
      return `${(bytes / 1e6).toFixed(1)} MB fetched, checksum right`
    },
  }
}

/**
 * Does every step that is not done yet, one line a step with its time. A finished project answers in about a second.
 * @throws SetupError with a remedy when a step fails.
 */
export async function setup(options: SetupOptions, say: (line: string) => void = console.log): Promise<void> {
  const gpu = options.gpu ?? readStamps().gpu === 'yes'
  const wheel = tensorflowWheel(process.platform, process.arch, gpu)
  const steps: (() => Step)[] = [environmentStep, () => tensorflowStep(wheel, gpu), () => addonStep(wheel)]
  if (options.jupyter) steps.push(jupyterStep, kernelStep)
  if (options.pytorch) steps.push(pytorchStep)
  if (options.mlflow) steps.push(mlflowStep)
  if (options.text) steps.push(textStep)
  for (const makeStep of steps) {
    const step = makeStep()
    const stamps = readStamps()
    const done = existsSync(step.product) && (stamps[step.name] === step.key || step.name === 'Tiny Shakespeare')
    if (done) continue
    const start = Date.now()
    const result = await step.run()
    // The environment step clears .venv and the stamps in it, so they are read again.
    writeFileWhole(paths.stamps(), `${JSON.stringify({ ...readStamps(), [step.name]: step.key, gpu: gpu ? 'yes' : 'no' }, null, 2)}\n`)
    say(`${step.name}: ${result} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
  }
}
