/**
 * Where the setup puts things. In the project, all inside it: removing `.venv` and `node_modules` removes it all. Where lib is an installed
 * package, in the user's cache, which all folders share; runs and MLflow's records then belong to the working folder.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '../../base/assertions'
import { RunError } from '../../base/errors'
import { isInstalled, packageRoot } from '../../base/installed'
import { cachedTensorflow, userCache } from '../../engine/tensorflow/libraries'

/** The project's folder; for an installed package the working folder. */
export const projectRoot = (): string => (isInstalled() ? process.cwd() : dirname(packageRoot))

/** A path in the project, or, installed, another one. */
const inProject = (inside: string, installed: () => string): string => (isInstalled() ? installed() : join(dirname(packageRoot), inside))

const inCache = (...parts: string[]): string => join(userCache(), ...parts)

/** Every path that the setup reads or writes. */
export const paths = {
  environment: () => inProject('.venv', () => inCache('python')),
  python: () => join(paths.environment(), 'bin', 'python'),
  jupyter: () => join(paths.environment(), 'bin', 'jupyter'),
  /** @param gpu whether it is the CUDA build; the project has room for one of both */
  tensorflow: (gpu: boolean) => inProject('.venv/tensorflow', () => cachedTensorflow(gpu)),
  mlflowBin: () => join(paths.environment(), 'mlflow', 'bin'),
  /** There if PyTorch is installed. */
  pytorch: () => join(paths.environment(), 'pytorch'),
  /** What Jupyter is given as JUPYTER_PATH: an installed package's kernel belongs to its folder alone. */
  jupyterData: () => inProject('.venv/share/jupyter', () => join(packageRoot, 'jupyter')),
  kernelspec: () => join(paths.jupyterData(), 'kernels', 'tslab'),
  kernel: () => join(packageRoot, 'dist', 'notebook', 'kernel.js'),
  stamps: () => inProject('.venv/makemoe-setup.json', () => inCache('setup.json')),
  /** Held while something is set up. */
  setupLock: () => inProject('node_modules/.makemoe-setup.lock', () => inCache('setup.lock')),
  text: () => inProject('data/input.txt', () => inCache('tiny-shakespeare.txt')),
  shakespeare: () => inProject('data/shakespeare.txt', () => inCache('shakespeare.txt')),
  shakespeareLicense: () => inProject('data/shakespeare-license.txt', () => inCache('shakespeare-license.txt')),
  textEdits: () => paths.beside('tiny-shakespeare-edits.json'),
  /** A file that lies beside this module's source. */
  beside: (name: string) => join(packageRoot, 'cli', 'setup', name),
  runs: () => inProject('data/runs', () => join(process.cwd(), 'runs')),
  mlflow: () => inProject('data/mlflow', () => join(process.cwd(), 'mlflow')),
  notebooks: () => inProject('notebooks', () => process.cwd()),
}

/** Makes the folder of a new run if nobody says where: named by its preset, its seed and the time; no other run gets the same. */
export function newRunPath(preset: string, seed: number): string {
  mkdirSync(paths.runs(), { recursive: true })
  const path = join(paths.runs(), `${preset}-${seed}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}`)
  for (let count = 1; ; count++) {
    const numbered = count === 1 ? path : `${path}-${count}`
    try {
      mkdirSync(numbered)
      return numbered
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new RunError(`cannot write ${numbered}: ${messageOf(error)}`)
    }
  }
}
