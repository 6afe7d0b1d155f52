/** The commands of test/ (test/commands.mjs) as a process; what they are compiled to is there (global-setup.ts). */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const program = `
  const { main } = require('makemoe/dist/cli/main')
  const commands = ['bench', 'notebooks'].map((name) => require('./test/dist/' + name + '/command.js').register)
  main(process.argv.slice(1), commands).then((status) => process.exit(status))`

export const testCommand = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, ['-e', program, '--', ...args], { cwd: join(__dirname, '..'), encoding: 'utf8' })
