/** Runs the unit tests with vitest. */
import { spawnSync } from 'node:child_process'
import { projectRoot } from './setup/paths'

/** @returns vitest's exit status */
export function runTests(args: readonly string[]): number {
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', ...args]
  return spawnSync(process.execPath, vitest, { cwd: projectRoot(), stdio: 'inherit' }).status ?? 1
}
