/** `pip install` of a lock file (every package pinned with its checksums), counting packages while it runs. */
import { readFileSync } from 'node:fs'
import { pipEnvironment } from './environment'
import { runProgram } from './program'
import type { Report } from './progress'

/**
 * Installs what a lock file lists.
 * @param python the Python whose environment gets the packages
 * @param lock the file
 * @param options further options of pip
 * @throws SetupError if the index is not reached or a checksum differs
 */
export async function pipInstall(python: string, lock: string, report: Report, options: readonly string[] = []): Promise<void> {
  let total = readFileSync(lock, 'utf8').match(/^[\w-]+==/gm)?.length ?? 0
  let done = 0
  const onLine = (line: string): void => {
    if (line.startsWith('Ignoring ')) total-- // for another platform or Python
    if (line.startsWith('Collecting ')) report('fetched', { done: done++, total, unit: 'packages' })
    if (line.startsWith('Installing ')) report(`installing ${total} packages`)
  }
  // The lock file is complete, so nothing is to be resolved; Python compiles a module when it is first imported.
  const args = ['--no-deps', '--no-compile', '--only-binary=:all:', '--require-hashes', '-r', lock, ...options]
  await runProgram(python, ['-m', 'pip', 'install', ...args], 'run this again', { onLine, env: pipEnvironment(python) })
}
