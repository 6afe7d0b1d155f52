/**
 * Which TensorFlow wheel a platform needs, pinned with its checksum. Linux x86-64 is tested; Linux arm64, macOS arm64 and the CUDA wheel
 * are written from their wheels' listings and untested.
 */
import { SetupError } from '../../base/errors'
import { libraryFiles, tensorflowVersion } from '../../engine/tensorflow/libraries'
import type { Wheel } from './wheel'

/** A TensorFlow wheel and what is to be taken from it. */
export interface TensorflowWheel extends Wheel {
  /** The file names of the two shared libraries. */
  readonly libraries: readonly [string, string]
}

const wheels: Readonly<Record<string, Omit<Wheel, 'version'>>> = {
  'linux-x64': {
    package: 'tensorflow-cpu',
    tags: 'cp312-cp312-manylinux_2_27_x86_64',
    sha256: 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
    megabytes: 274,
  },
  'linux-x64-gpu': {
    package: 'tensorflow',
    tags: 'cp312-cp312-manylinux_2_27_x86_64',
    sha256: 'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
    megabytes: 600,
  },
  'linux-arm64': {
    package: 'tensorflow',
    tags: 'cp312-cp312-manylinux_2_27_aarch64',
    sha256: 'b07d15737406533898e36c7ef7944b1be18e9028dc521b9229952c537bbc5552',
    megabytes: 280,
  },
  'darwin-arm64': {
    package: 'tensorflow',
    tags: 'cp312-cp312-macosx_12_0_arm64',
    sha256: '56ecd7d47429acbe1df2694d50b75bf9fc3995ac92cb367cd9af6c4780ead712',
    megabytes: 230,
  },
}

/**
 * The wheel for a platform.
 * @throws SetupError where there is none
 */
export function tensorflowWheel(platform: string, arch: string, gpu: boolean): TensorflowWheel {
  const key = `${platform}-${arch}${gpu ? '-gpu' : ''}`
  const wheel = wheels[key]
  const files = libraryFiles[`${platform}-${arch}`]
  if (wheel && files) return { ...wheel, version: tensorflowVersion, libraries: [files.framework, files.tensorflow] }
  throw new SetupError(
    `no TensorFlow library is known for ${key}`,
    gpu
      ? 'leave out --gpu, or use Linux x86-64 with an NVIDIA GPU'
      : 'use Linux (x86-64, arm64) or macOS on Apple silicon; on Windows, WSL2',
  )
}
