#!/usr/bin/env node
/**
 * The commands. Options are checked before anything is loaded or written; a person's mistake is one line on stderr and exit status 2.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { type Config, configFields, preset, presets, validateConfig } from '../config'
import { ConfigError, MakemoeError, SetupError, TrainingError } from '../errors'
import { setup } from './setup/setup'

/** `--learning-rate` of `learningRate`. */
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number.')
  return value
}

function natural(text: string): number {
  const value = number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1e9) throw new InvalidArgumentError('expected an integer from 1 to 1e9.')
  return value
}

function seed(text: string): number {
  const value = number(text)
  if (!Number.isInteger(value) || Math.abs(value) >= 2 ** 31) throw new InvalidArgumentError('expected an integer of 32 bits.')
  return value
}

/** Adds an option for every field of the config. */
function addConfigOptions(command: Command): Command {
  for (const { name, description, choices } of configFields()) {
    const option = new Option(`--${kebab(name)} <${choices ? 'choice' : 'number'}>`, description)
    const value: unknown = (presets.default as Record<string, unknown>)[name]
    if (choices) option.choices([...choices])
    else option.argParser(number)
    if (value !== undefined) option.description = `${description} (default: ${value})`
    command.addOption(option)
  }
  return command
}

/** The config fields among a command's options. */
function configOptions(options: Readonly<Record<string, unknown>>): Partial<Config> {
  return Object.fromEntries(
    configFields()
      .filter(({ name }) => options[name] !== undefined)
      .map(({ name }) => [name, options[name]]),
  )
}

/** What a command needs; its own output stays clean. */
const setUpQuietly = (text: boolean): Promise<void> => setup({ jupyter: false, text }, (line) => console.error(line))

function program(): Command {
  const root = new Command('makemoe').description('Sparse mixture-of-experts language models, from scratch').exitOverride()
  const command = (name: string, description: string): Command => root.command(name).description(description).allowExcessArguments(false)

  command('setup', 'install what the project needs: TensorFlow, the addon, JupyterLab, the text')
    .option('--gpu', "take TensorFlow's CUDA build")
    .action(async (options: { gpu?: boolean }) => {
      await setup({ jupyter: true, text: true, ...options })
      if (options.gpu) (await import('./gpu')).requireGpu()
      console.log('ready')
    })

  command('start', 'set up what is missing and open the notebooks')
    .option('--no-browser', 'do not open a browser; print the address')
    .option('--gpu', 'insist on a GPU')
    .action(async (options: { browser: boolean; gpu?: boolean }) => {
      await setup({ jupyter: true, text: true, ...(options.gpu ? { gpu: true } : {}) })
      if (options.gpu) (await import('./gpu')).requireGpu()
      process.exitCode = await (await import('./jupyter')).startJupyter(options.browser)
    })

  root
    .command('test')
    .description('set up what is missing and run the tests; arguments go to vitest')
    .allowUnknownOption()
    .argument('[arguments...]')
    .action(async (args: string[]) => {
      await setup({ jupyter: false, text: true })
      process.exitCode = (await import('./run-tests')).runTests(args)
    })

  command('notebooks', 'run the notebooks in a real kernel and check what they show')
    .argument('[names...]', 'which; default: all')
    .option('--full', 'train in full, add pictures (needs Chromium) and keep the outputs')
    .allowExcessArguments(true)
    .action(async (names: string[], options: { full?: boolean }) => {
      const { notebookNames, runNotebooks } = await import('./notebooks')
      const unknown = names.find((name) => !(notebookNames as string[]).includes(name))
      if (unknown !== undefined) throw new ConfigError(`notebooks: got ${unknown}, expected some of ${notebookNames.join(', ')}`)
      await setup({ jupyter: true, text: true })
      await runNotebooks(names.length > 0 ? notebookNames.filter((name) => names.includes(name)) : notebookNames, options.full ?? false)
    })

  addConfigOptions(command('train', 'train a model and let it write'))
    .addOption(
      new Option('--preset <name>', 'default: slips of the original mended; makemoe: the original')
        .choices(Object.keys(presets))
        .default('default'),
    )
    .option('--resume <folder>', 'go on with the run in this folder, from its newest checkpoint')
    .option('--checkpoint-every <number>', 'steps between checkpoints (default: 500)', natural)
    .option('--keep <number>', 'newest checkpoints that stay, besides the best (default: 2)', natural)
    .option('--mlflow', 'send the run to the MLflow server of MLFLOW_TRACKING_URI (alone, the variable is enough)')
    .option('--text <file>', 'the text to learn (default: Tiny Shakespeare)')
    .option('--out <folder>', "the run's folder (default: data/runs/<preset>-<seed>-<time>)")
    .option('--sample <number>', 'characters to write at the end (default: 500)', natural)
    .option('--eager', 'run op by op instead of as one graph')
    .option('--gpu', 'insist on a GPU')
    .action(async (options: Record<string, unknown> & { preset: string; resume?: string; out?: string }, self: Command) => {
      const given = configOptions(options)
      const config = validateConfig({ ...preset(options.preset), ...given })
      if (options.resume !== undefined && (options.out !== undefined || self.getOptionValueSource('preset') === 'cli'))
        throw new ConfigError('resume: got --out or --preset beside it, expected neither: a run goes on in its folder, with its config')
      await setUpQuietly(options.text === undefined)
      if (options.gpu) (await import('./gpu')).requireGpu()
      const { resume, train } = await import('./train')
      process.exitCode =
        options.resume === undefined ? await train(config, options) : await resume(given, { ...options, resume: options.resume })
    })

  command('generate', 'let a trained model write')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--prompt <text>', 'how the text begins', '\n')
    .option('--tokens <number>', 'characters to write', natural, 500)
    .option('--temperature <number>', 'below 1 bolder, above 1 wilder, 0 the best', number, 0.8)
    .option('--top-k <number>', 'draw among the best this many', natural)
    .option('--top-p <number>', 'draw among the fewest that have this probability together', number)
    .option('--seed <number>', 'of the drawing', seed, 1337)
    .option('--samples <number>', 'texts to write', natural, 1)
    .option('--eager', 'run op by op instead of as one graph')
    .option('--like-makemoe', 'with dropout, routing noise and dropped tokens, as the original')
    .action(async (options) => {
      await setUpQuietly(false)
      await (await import('./generate')).generateText(options)
    })

  command('evaluate', 'the exact mean cross-entropy over the whole validation split')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--text <file>', 'the text (default: Tiny Shakespeare)')
    .option('--json', 'print one JSON object')
    .option('--eager', 'run op by op instead of as one graph')
    .action(async (options) => {
      await setUpQuietly(options.text === undefined)
      await (await import('./evaluate')).evaluateCheckpoint(options)
    })

  command('bench', 'milliseconds of a step, an evaluation batch and a character; beside PyTorch if it is there')
    .option('--with-pytorch', 'fetch PyTorch into the virtual environment')
    .option('--rounds <number>', 'turns of each', natural, 8)
    .option('--quick', 'the default sizes only')
    .option('--json <file>', 'write the numbers as JSON')
    .action(async (options: { withPytorch?: boolean; rounds: number; quick?: boolean; json?: string }) => {
      await setup({ jupyter: false, text: false, pytorch: options.withPytorch ?? false }, (line) => console.error(line))
      await (await import('./bench')).bench(options)
    })

  command('mlflow', 'start a local MLflow server, or send what a run still has to send')
    .option('--port <number>', 'of the server, on 127.0.0.1', natural, 5000)
    .option('--sync <folder>', 'send what the server of MLFLOW_TRACKING_URI does not have of this run')
    .action(async (options: { port: number; sync?: string }) => {
      if (options.sync !== undefined) return (await import('./mlflow')).syncRun(options.sync)
      await setup({ jupyter: false, text: false, mlflow: true })
      process.exitCode = await (await import('./mlflow')).startMlflow(options.port)
    })

  addConfigOptions(
    command('import', 'make a checkpoint of a state_dict that makeMoE.py saved as safetensors').argument('<file>', 'model.safetensors'),
  )
    .requiredOption('--out <folder>', 'where the checkpoint goes')
    .option('--text <file>', 'the text whose characters are the vocabulary (default: Tiny Shakespeare)')
    .action(async (file: string, options) => {
      await setUpQuietly(options.text === undefined)
      await (await import('./import')).importWeights(file, configOptions(options), options)
    })

  for (const each of root.commands) each.exitOverride().showHelpAfterError(false)
  return root
}

/**
 * Runs a command.
 * @param args without node and the script
 * @returns the exit status: 0, 2 for a person's mistake, 1 for a fault of the program, 130 after Ctrl-C
 */
export async function main(args: readonly string[]): Promise<number> {
  // Whoever reads the output may go away (`| head`); the work goes on.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  try {
    await program().parseAsync([...args], { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2 // commander has printed its line
    if (error instanceof MakemoeError) {
      console.error(`makemoe: ${error.message}${error instanceof SetupError ? `\n  remedy: ${error.remedy}` : ''}`)
      return error instanceof TrainingError ? 1 : 2
    }
    console.error(error instanceof Error ? error.stack : String(error))
    return 1
  }
}

if (require.main === module) void main(process.argv.slice(2)).then((code) => process.exit(code))
