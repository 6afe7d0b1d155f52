/** Which of TensorFlow's shared libraries a platform has, in the order in which they must be loaded, and where the setup has put them. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { SetupError } from '../../base/errors'

/** File names of the two libraries. The framework comes first: the other one needs it and finds it in memory then. */
export interface LibraryFiles {
  readonly framework: string
  /** Ops, kernels and the C API. */
  readonly tensorflow: string
}

const linux: LibraryFiles = { framework: 'libtensorflow_framework.so.2', tensorflow: 'libtensorflow_cc.so.2' }
const mac: LibraryFiles = { framework: 'libtensorflow_framework.2.dylib', tensorflow: 'libtensorflow_cc.2.dylib' }

/** By `process.platform`-`process.arch`. Linux x86-64 is tested; the other two are written from their wheels' listings, untested. */
export const libraryFiles: Readonly<Record<string, LibraryFiles>> = { 'linux-x64': linux, 'linux-arm64': linux, 'darwin-arm64': mac }

/** The folder of a wheel's libraries within the project. */
const inProject = join('.venv', 'tensorflow', 'tensorflow')

/**
 * Absolute paths of the libraries: in the nearest folder above this file that has them.
 * @throws SetupError if they are not there, or the platform has none
 */
export function findLibraries(): LibraryFiles {
  const platform = `${process.platform}-${process.arch}`
  const files = libraryFiles[platform]
  if (!files)
    throw new SetupError(`no TensorFlow library is known for ${platform}`, 'use Linux or macOS on Apple silicon; on Windows, WSL2')
  let root = __dirname
  while (!existsSync(join(root, inProject, files.tensorflow)) && root !== dirname(root)) root = dirname(root)
  const folder = join(root, inProject)
  if (!existsSync(join(folder, files.tensorflow))) throw new SetupError("TensorFlow's libraries are not there", 'run npm run setup')
  return { framework: join(folder, files.framework), tensorflow: join(folder, files.tensorflow) }
}
