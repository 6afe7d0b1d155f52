/** Compiles before vitest runs: lib, unless `npm test` has; and the commands of test/, which slow tests run as processes. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export default function build(): void {
  const { TESTS } = process.env
  const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: join(__dirname, '..'), stdio: 'inherit' })
  const tsc = 'node_modules/typescript/bin/tsc'
  if (TESTS === undefined) node(tsc, '--build', 'lib')
  if (TESTS === undefined) node('lib/cli/bundle.mjs')
  if (TESTS === 'all') node(tsc, '--build', 'test/commands.tsconfig.json')
}
