/**
 * TensorFlow prints notices on the process's stderr while it starts, whatever its log level says. Here file descriptor 2 goes to a
 * scratch file during the start; lines that are not known notices are passed on afterwards.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { libc } from '../../base/libc'

const notices = [
  /oneDNN custom operations are on/,
  /This TensorFlow binary is optimized to use available CPU instructions/,
  /To enable the following instructions/,
  /All log messages before absl::InitializeLog/,
  /Could not find cuda drivers on your machine/,
  /Unable to register cu\w+ factory/,
]

/** The lines of `output` that are not start-up notices. */
export function withoutNotices(output: string): string {
  return output
    .split('\n')
    .filter((line) => line.trim() !== '' && !notices.some((notice) => notice.test(line)))
    .map((line) => `${line}\n`)
    .join('')
}

/** Runs `start` with TensorFlow's start-up notices held back. */
export function withQuietStderr<T>(start: () => T): T {
  const { dup, dup2 } = libc()
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-'))
  const file = join(folder, 'stderr')
  const scratch = openSync(file, 'w')
  const stderr = dup(2)
  dup2(scratch, 2)
  try {
    return start()
  } finally {
    dup2(stderr, 2)
    closeSync(stderr)
    closeSync(scratch)
    const rest = withoutNotices(readFileSync(file, 'utf8'))
    rmSync(folder, { recursive: true })
    if (rest !== '') writeSync(2, rest)
  }
}
