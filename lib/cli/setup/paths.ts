/** Where the setup puts things, all inside the project: removing `.venv` and `node_modules` removes it all. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The project's folder: the nearest one above this file that holds the lock file. */
export function projectRoot(): string {
  let folder = __dirname
  while (!existsSync(join(folder, 'package-lock.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}

const inProject = (...parts: string[]): string => join(projectRoot(), ...parts)

/** Every path that the setup reads or writes. */
export const paths = {
  environment: () => inProject('.venv'),
  python: () => inProject('.venv', 'bin', 'python'),
  jupyter: () => inProject('.venv', 'bin', 'jupyter'),
  tensorflow: () => inProject('.venv', 'tensorflow'),
  mlflowBin: () => inProject('.venv', 'mlflow', 'bin'),
  /** There if PyTorch is installed. */
  pytorch: () => inProject('.venv', 'pytorch'),
  kernelspec: () => inProject('.venv', 'share', 'jupyter', 'kernels', 'tslab'),
  stamps: () => inProject('.venv', 'makemoe-setup.json'),
  text: () => inProject('data', 'input.txt'),
  textEdits: () => inProject('data', 'tiny-shakespeare-edits.json'),
  /** A file that lies beside this module's source. */
  beside: (name: string) => inProject('lib', 'cli', 'setup', name),
}

/** Where a new run goes if nobody says where: named by its preset, its seed and the time. */
export const newRunPath = (preset: string, seed: number): string =>
  inProject('data', 'runs', `${preset}-${seed}-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}`)
