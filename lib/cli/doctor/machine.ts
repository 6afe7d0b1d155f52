/** The machine: system, processor, memory, disk. */
import { readFileSync, statfsSync } from 'node:fs'
import { arch, availableParallelism, cpus, freemem, loadavg, release, totalmem, type } from 'node:os'
import type { Examination } from './findings'

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`

/** A file of the system, or nothing where it has none. */
function systemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The vector units that TensorFlow's kernels use, by the names of /proc/cpuinfo. */
const vectorUnits: Readonly<Record<string, string>> = {
  avx: 'AVX',
  avx2: 'AVX2',
  fma: 'FMA',
  avx512f: 'AVX-512',
  avx512_vnni: 'AVX-512 VNNI',
  avx512_bf16: 'AVX-512 BF16',
  amx_tile: 'AMX',
  asimd: 'NEON',
  sve: 'SVE',
}

/** @param cpuinfo what /proc/cpuinfo says; empty where there is none */
export function processor(cpuinfo: string, machine = arch()): string {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/))
  const units = Object.keys(vectorUnits).filter((flag) => flags.has(flag))
  const known = units.map((flag) => vectorUnits[flag]).join(', ') || (machine === 'arm64' ? 'NEON' : 'vector units unknown')
  const without = flags.has('avx2') && !flags.has('avx512f') ? ' (no AVX-512)' : ''
  return `${cpus()[0]?.model ?? machine}, ${availableParallelism()} of ${cpus().length} cores; ${known}${without}`
}

/** @param folder where the project, or the user's cache, lies */
export function machineExaminations(folder: string): Examination[] {
  return [
    {
      what: 'system',
      look() {
        const name = /^PRETTY_NAME="?(.*?)"?$/m.exec(systemFile('/etc/os-release'))?.[1]
        return `${type()} ${release()} ${arch()}${name ? `, ${name}` : ''}`
      },
    },
    { what: 'processor', look: () => processor(systemFile('/proc/cpuinfo')) },
    {
      what: 'load',
      look() {
        const [minute = 0] = loadavg()
        const share = minute / availableParallelism()
        return `${minute.toFixed(1)} processes wanted a core in the last minute${share > 0.5 ? ': the times below are those of a busy machine' : ''}`
      },
    },
    {
      what: 'memory',
      look() {
        // Linux counts what can be freed at once as available; elsewhere the free memory alone is known.
        const available = 1024 * Number(/^MemAvailable:\s*(\d+)/m.exec(systemFile('/proc/meminfo'))?.[1] ?? freemem() / 1024)
        const remedy = available < 2e9 ? 'close other programs: the default model needs about 2 GB while it trains' : undefined
        return [`${gigabytes(available)} of ${gigabytes(totalmem())} available`, remedy]
      },
    },
    {
      what: 'free disk',
      look() {
        const { bavail, bsize } = statfsSync(folder)
        const free = bavail * bsize
        return [`${gigabytes(free)} at ${folder}`, free < 3e9 ? 'free about 3 GB: the set-up and a few runs need them' : undefined]
      },
    },
  ]
}
