/** The steps of the setup: what each does, when it must be done again, and the file that proves it. */
import { createHash } from 'node:crypto'
import { lstatSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { writeFileAtomic } from '../../base/files'
import { isInstalled } from '../../base/installed'
import { tensorflowVersion } from '../../engine/tensorflow/libraries'
import { pipEnvironment } from './environment'
import { paths, projectRoot } from './paths'
import { pipInstall } from './pip'
import type { TensorflowWheel } from './platform'
import { findPython, runProgram } from './program'
import type { Report } from './progress'
import { bringShakespeare, bringText } from './text'
import { extractFromWheel } from './wheel'

export interface Step {
  readonly name: string
  /** Changes whenever the step must be done again; without one, the product's presence is enough. */
  readonly key?: string
  /** The file whose presence proves the step. */
  readonly product: string
  /** Does the work and says in a few words what was done. */
  run(report: Report): Promise<string>
}

const hash = (...parts: string[]): string => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16)

export function environmentStep(): Step {
  return {
    name: 'Python environment',
    key: hash(dirname(paths.environment())),
    product: paths.python(),
    async run() {
      const python = findPython()
      const remedy = 'this Python lacks venv or ensurepip (Debian: apt install python3-venv); then run this again'
      // A link is replaced, and what it leads to, perhaps another project's environment, is left alone.
      if (lstatSync(paths.environment(), { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(paths.environment())
      await runProgram(python, ['-m', 'venv', '--clear', paths.environment()], remedy)
      return isInstalled() ? paths.environment() : relative(projectRoot(), paths.environment())
    },
  }
}

/** Takes TensorFlow's shared libraries out of its wheel. */
export function tensorflowStep(wheel: TensorflowWheel, gpu: boolean): Step {
  const home = paths.tensorflow(gpu)
  const cuda = paths.beside('cuda.txt')
  const members = wheel.libraries.map((library) => `tensorflow/${library}`)
  return {
    name: `TensorFlow ${tensorflowVersion}${gpu ? ' with CUDA' : ''}`,
    key: hash(wheel.sha256, gpu ? readFileSync(cuda, 'utf8') : ''),
    product: join(home, 'tensorflow', wheel.libraries[0]),
    async run(report) {
      const partial = `${home}.partial`
      rmSync(partial, { recursive: true, force: true })
      await extractFromWheel(wheel, members, partial, report)
      if (gpu) await pipInstall(paths.python(), cuda, report, ['--target', partial])
      rmSync(home, { recursive: true, force: true })
      renameSync(partial, home)
      return `${wheel.megabytes} MB fetched, checksum right`
    },
  }
}

export function kernelStep(): Step {
  const file = join(paths.kernelspec(), 'kernel.json')
  const spec = {
    argv: [process.execPath, paths.kernel(), '{connection_file}'],
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
      writeFileAtomic(file, text)
      return `Node ${process.versions.node}`
    },
  }
}

export function jupyterStep(): Step {
  const lock = paths.beside('jupyter.txt')
  return {
    name: 'JupyterLab',
    key: hash(readFileSync(lock, 'utf8')),
    product: paths.jupyter(),
    async run(report) {
      await pipInstall(paths.python(), lock, report)
      return 'with plotly, in the Python environment'
    },
  }
}

export function mlflowStep(): Step {
  const lock = paths.beside('mlflow.txt')
  const home = dirname(paths.mlflowBin())
  return {
    name: 'MLflow',
    key: hash(readFileSync(lock, 'utf8')),
    product: join(paths.mlflowBin(), 'mlflow'),
    async run(report) {
      report('creating its environment')
      await runProgram(paths.python(), ['-m', 'venv', '--clear', home], 'run this again')
      await pipInstall(join(paths.mlflowBin(), 'python'), lock, report)
      return 'in an environment of its own'
    },
  }
}

export function pytorchStep(): Step {
  const version = '2.13.0'
  return {
    name: 'PyTorch',
    key: hash(version),
    product: paths.pytorch(),
    async run() {
      await runProgram(paths.python(), ['-m', 'pip', 'install', `torch==${version}`, 'numpy'], 'run this again', {
        env: pipEnvironment(paths.python(), ['constraint']),
      })
      writeFileAtomic(paths.pytorch(), `${version}\n`)
      return version
    },
  }
}

export function textStep(): Step {
  return { name: 'Tiny Shakespeare', product: paths.text(), run: bringText }
}

export function shakespeareStep(): Step {
  return { name: "Shakespeare's plays", product: paths.shakespeare(), run: bringShakespeare }
}
