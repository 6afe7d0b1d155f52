/**
 * What a platform needs: which TensorFlow wheel (pinned, with its checksum), how its libraries are called, which compiler flags.
 * Linux x86-64 is tested; Linux arm64, macOS arm64 and the CUDA wheel are written from their wheels' listings and untested.
 */
import { SetupError } from '../../errors'

/** The pinned TensorFlow release. */
export const tensorflowVersion = '2.21.0'

/** A TensorFlow wheel and what is to be taken from it. */
export interface TensorflowWheel {
  /** The name of the package in the Python index. */
  readonly package: 'tensorflow' | 'tensorflow-cpu'
  /** The wheel's platform tag. */
  readonly platformTag: string
  readonly sha256: string
  /** Download size in MB (10^6 bytes). */
  readonly megabytes: number
  /** The file names of the two shared libraries. */
  readonly libraries: readonly [string, string]
  /** Compiler and linker flags that differ between platforms. */
  readonly linkFlags: readonly string[]
}

const linuxLibraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'] as const

/**
 * The wheel for a platform.
 * @throws SetupError where there is none.
 */
export function tensorflowWheel(platform: string, arch: string, gpu: boolean): TensorflowWheel {
  const key = `${platform}-${arch}${gpu ? '-gpu' : ''}`
  switch (key) {
    case 'linux-x64':
      return {
        package: 'tensorflow-cpu',
        platformTag: 'manylinux_2_27_x86_64',
        sha256: 'dcc8afd32930e42d5296b6ee19078b773706830af4ea97fbe503b9f5e0f820cb',
        megabytes: 274,
        libraries: linuxLibraries,
        linkFlags: ['-shared'],
      }
    case 'linux-x64-gpu':
      return {
        package: 'tensorflow',
        platformTag: 'manylinux_2_27_x86_64',
        sha256: 'b3b95643c4e70eb925839938fb35cbe142f317ec84af6844ee61513713bb13c0',
        megabytes: 600,
        libraries: linuxLibraries,
        linkFlags: ['-shared'],
      }
    case 'linux-arm64':
      return {
        package: 'tensorflow',
        platformTag: 'manylinux_2_27_aarch64',
        sha256: 'b07d15737406533898e36c7ef7944b1be18e9028dc521b9229952c537bbc5552',
        megabytes: 280,
        libraries: linuxLibraries,
        linkFlags: ['-shared'],
      }
    case 'darwin-arm64':
      return {
        package: 'tensorflow',
        platformTag: 'macosx_12_0_arm64',
        sha256: '56ecd7d47429acbe1df2694d50b75bf9fc3995ac92cb367cd9af6c4780ead712',
        megabytes: 230,
        libraries: ['libtensorflow_cc.2.dylib', 'libtensorflow_framework.2.dylib'],
        linkFlags: ['-dynamiclib', '-undefined', 'dynamic_lookup'],
      }
    default:
      throw new SetupError(
        `no TensorFlow library is known for ${key}`,
        gpu
          ? 'leave out --gpu, or use Linux x86-64 with an NVIDIA GPU'
          : 'use Linux (x86-64, arm64) or macOS on Apple silicon; on Windows, WSL2',
      )
  }
}
