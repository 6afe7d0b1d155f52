/** Builds lib, and the commands of test/, which some tests run as processes, before vitest runs the tests. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export default function build(): void {
  const root = join(__dirname, '..')
  for (const args of [['node_modules/typescript/bin/tsc', '--build', 'test/commands.tsconfig.json'], ['lib/cli/bundle.mjs']])
    execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
}
