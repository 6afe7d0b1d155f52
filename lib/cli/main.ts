#!/usr/bin/env node
/**
 * The commands: a list; each is one file with its options. Options are checked before anything is written; a person's mistake is one line on
 * stderr and exit status 2.
 */
import { Command, CommanderError } from 'commander'
import { ClusterError, MakemoeError, SetupError, TrainingError } from '../base/errors'
import { lostStatus } from '../runs/cluster/member'
import { register as compare } from './compare'
import { register as doctor } from './doctor'
import { register as evaluate } from './evaluate'
import { register as exportPage } from './export'
import { register as generate } from './generate'
import { register as importWeights } from './import'
import { register as inspect } from './inspect'
import { register as mlflow } from './mlflow'
import { requireNothingKept } from './npm-options'
import { register as setup } from './setup'
import { register as start } from './start'
import { register as test } from './test'
import { register as train } from './train'

/** Adds a command to a program. */
export type Register = (program: Command) => void

const commands: readonly Register[] = [
  setup,
  start,
  test,
  train,
  generate,
  evaluate,
  inspect,
  compare,
  exportPage,
  mlflow,
  importWeights,
  doctor,
]

function program(more: readonly Register[]): Command {
  const root = new Command('makemoe').description('Sparse mixture-of-experts language models, from scratch').exitOverride()
  for (const register of [...commands, ...more]) register(root)
  for (const command of root.commands) command.exitOverride().showHelpAfterError(false)
  return root
}

/**
 * Runs a command.
 * @param args without node and the script
 * @param more commands besides those of lib
 * @returns the exit status: 0, 2 for a person's mistake, 1 for a fault of the program, 130, 143 or 129 after a stop
 */
export async function main(args: readonly string[], more: readonly Register[] = []): Promise<number> {
  // Whoever reads the output may go away (`| head`, or a terminal that is closed); the work continues.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    })
  try {
    const root = program(more)
    const command = root.commands.find((command) => command.name() === args[0])
    if (command) requireNothingKept(command, args.slice(1), process.env)
    await root.parseAsync([...args], { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // commander has printed its line
    if (error instanceof MakemoeError) {
      console.error(`makemoe: ${error.message}${error instanceof SetupError ? `\n  remedy: ${error.remedy}` : ''}`)
      return error instanceof ClusterError ? lostStatus : error instanceof TrainingError ? 1 : 2
    }
    console.error(error instanceof Error ? error.stack : String(error))
    return 1
  }
}

if (require.main === module) void main(process.argv.slice(2)).then((code) => process.exit(code))
