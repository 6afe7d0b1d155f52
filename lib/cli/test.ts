/** `makemoe test`: the unit tests, with vitest. A minute of them, or with `--slow` all that need only Node and TensorFlow. */
import { spawn, spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { isInstalled } from '../base/installed'
import { projectRoot } from './setup/paths'
import { setup } from './setup/setup'

interface TestOptions {
  readonly slow?: boolean
  readonly watch?: boolean
}

export function register(program: Command): void {
  if (isInstalled()) return // a package has no tests
  program
    .command('test')
    .description('set up what is missing and run the tests; words choose files by their path, options go to vitest')
    .option('--slow', 'the slow tests too (npm run test:all): processes, kills, faults, memory, many random cases')
    .option('--watch', 'stay, compile what changes in lib, and run the tests of that file again')
    .allowUnknownOption()
    .argument('[arguments...]')
    .action(async (args: string[], options: TestOptions) => {
      await setup({ jupyter: false, text: true })
      process.exitCode = options.watch ? await watchTests(args, options) : runTests(args, options)
    })
}

const vitest = 'node_modules/vitest/vitest.mjs'
const tsc = 'node_modules/typescript/bin/tsc'
const config = ['--config', 'test/vitest.config.ts']
const environment = ({ slow }: TestOptions): NodeJS.ProcessEnv => ({ ...process.env, TESTS: slow ? 'all' : 'minute' })

/** @returns vitest's exit status */
function runTests(args: readonly string[], options: TestOptions): number {
  const { status } = spawnSync(process.execPath, [vitest, 'run', ...config, ...args], {
    cwd: projectRoot(),
    stdio: 'inherit',
    env: environment(options),
  })
  if (!options.slow) console.log('not run: slow tests (processes, kills, faults, memory, many random cases): npm run test:all')
  console.log('not run: notebooks, browsers, PyTorch, a real MLflow server, other versions of Node: .ci/run')
  return status ?? 1
}

/** @returns vitest's exit status, when the person ends it */
async function watchTests(args: readonly string[], options: TestOptions): Promise<number> {
  const [compiling, testing] = [
    [tsc, '--build', 'lib', '--watch', '--preserveWatchOutput'],
    [vitest, 'watch', ...config, ...args],
  ].map((command) => spawn(process.execPath, command, { cwd: projectRoot(), stdio: 'inherit', env: environment(options) }))
  try {
    return await new Promise((resolve) => testing?.on('close', (status) => resolve(status ?? 1)))
  } finally {
    compiling?.kill()
  }
}
