/** `makemoe test`: the unit tests, with vitest. */
import { spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { isInstalled } from '../base/installed'
import { projectRoot } from './setup/paths'
import { setup } from './setup/setup'

export function register(program: Command): void {
  if (isInstalled()) return // a package has no tests
  program
    .command('test')
    .description('set up what is missing and run the tests; arguments go to vitest')
    .allowUnknownOption()
    .argument('[arguments...]')
    .action(async (args: string[]) => {
      await setup({ jupyter: false, text: true })
      process.exitCode = runTests(args)
    })
}

/** @returns vitest's exit status */
function runTests(args: readonly string[]): number {
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', ...args]
  return spawnSync(process.execPath, vitest, { cwd: projectRoot(), stdio: 'inherit' }).status ?? 1
}
