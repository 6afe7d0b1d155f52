/** Which of TensorFlow's shared libraries a platform has, in the order in which they must be loaded, and where the setup has put them. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { SetupError } from '../../base/errors'
import { commandLine } from '../../base/installed'

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

/** The pinned TensorFlow release. */
export const tensorflowVersion = '2.21.0'

/** The folder of the user's cache that installed packages share: `$XDG_CACHE_HOME/makemoe`, by default `~/.cache/makemoe`. */
export function userCache(): string {
  const { XDG_CACHE_HOME = '' } = process.env
  return join(isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'makemoe')
}

const platform = `${process.platform}-${process.arch}`

/** Where an installed package's TensorFlow lies. */
export const cachedTensorflow = (gpu: boolean): string =>
  join(userCache(), `tensorflow-${tensorflowVersion}-${platform}${gpu ? '-gpu' : ''}`)

/** Where TensorFlow may lie: in the nearest project above this file, else in the user's cache, the CUDA build first. */
function* tensorflowFolders(): Generator<string> {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) yield join(folder, '.venv', 'tensorflow')
  yield cachedTensorflow(true)
  yield cachedTensorflow(false)
}

/**
 * Absolute paths of the libraries.
 * @throws SetupError if they are in none of the folders, or the platform has none
 */
export function findLibraries(): LibraryFiles {
  const files = libraryFiles[platform]
  if (!files)
    throw new SetupError(`no TensorFlow library is known for ${platform}`, 'use Linux or macOS on Apple silicon; on Windows, WSL2')
  for (const home of tensorflowFolders()) {
    const [framework, tensorflow] = [files.framework, files.tensorflow].map((file) => join(home, 'tensorflow', file))
    if (framework && tensorflow && existsSync(tensorflow)) return { framework, tensorflow }
  }
  throw new SetupError("TensorFlow's libraries are not there", `run ${commandLine('setup')}`)
}
