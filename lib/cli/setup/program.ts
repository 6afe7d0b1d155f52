/** Programs that the setup runs, and the remedy that fits what a failed one printed. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { SetupError } from '../../base/errors'
import { ownEnvironment } from './environment'
import { projectRoot } from './paths'

/** The remedy that fits what a failed program printed. */
export function remedyFor(output: string, otherwise: string): string {
  if (/No space left|ENOSPC/i.test(output)) return 'the disk is full: free about 3 GB and run this again'
  if (/hashes? .*(do not|did not) match|THESE PACKAGES DO NOT MATCH/i.test(output))
    return 'a download differs from its pinned checksum: try again, and if it persists, distrust the package index or proxy'
  if (/resolve host|Name or service|NewConnectionError|No matching distribution|Read timed out|Network is unreachable/i.test(output))
    return "the Python package index was not reached: check the network (or pip's proxy settings) and run this again"
  if (/No module named pip/i.test(output)) return 'this Python has no pip: install python3-pip and python3-venv and run this again'
  return otherwise
}

/**
 * Runs a program to its end without blocking.
 * @param onLine sees each line of its output
 * @param env its variables; default: this process's, without those meant for other projects
 * @throws SetupError with its last lines and a remedy if it fails
 */
export function runProgram(
  program: string,
  args: readonly string[],
  remedy: string,
  { onLine, env }: { readonly onLine?: (line: string) => void; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: projectRoot(), stdio: ['ignore', 'pipe', 'pipe'], env: env ?? ownEnvironment() })
    const stop = (): void => {
      child.kill('SIGTERM')
      process.exit(143)
    }
    process.once('SIGTERM', stop)
    const lines: string[] = []
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        onLine?.(line)
      })
    child.on('error', (error) => reject(new SetupError(`${program} could not be started: ${error.message}`, remedy)))
    child.on('close', (code, signal) => {
      process.off('SIGTERM', stop)
      if (code === 0) return resolve()
      const end = `${program} ${args.slice(0, 4).join(' ')} … ended with ${code ?? signal}`
      reject(new SetupError([`${end}:`, ...lines.slice(-6)].join('\n  '), remedyFor(lines.join('\n'), remedy)))
    })
  })
}

/**
 * A Python >= 3.10: `$PYTHON` if set, else the first that answers.
 * @throws SetupError if there is none
 */
export function findPython(): string {
  const seen: string[] = []
  const candidates = process.env.PYTHON
    ? [process.env.PYTHON]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python']
  for (const candidate of candidates) {
    const answer = spawnSync(candidate, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], {
      encoding: 'utf8',
      env: ownEnvironment(),
    })
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
