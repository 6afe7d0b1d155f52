/** `npm run doctor` as a process. */
import { spawnSync } from 'node:child_process'

/** @returns the exit status of the command, and its page: what was found and what to do, by what was looked at */
export function doctor(
  main: string,
  env: Readonly<Record<string, string>> = {},
): { status: number | null; found: Map<string, string>; remedies: Map<string, string> } {
  const { status, stdout } = spawnSync(process.execPath, [main, 'doctor', '--quick'], { encoding: 'utf8', env: { ...process.env, ...env } })
  const [found = '', remedies = ''] = stdout.split('What to do:')
  const entries = (lines: string): Map<string, string> =>
    new Map([...lines.matchAll(/^[ !] (\S+(?: \S+)*) {2,}(.*)$/gm)].map(([, what = '', value = '']) => [what, value]))
  return { status, found: entries(found), remedies: entries(remedies) }
}
