/** Compiles lib, and the commands of test/, which some tests run as processes, before vitest runs the tests. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export default function compile(): void {
  const root = join(__dirname, '..')
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '--build', 'test/commands.tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  })
}
