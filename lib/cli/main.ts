#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
/**
 * The commands. Options are checked before anything is loaded or written; a person's mistake is one line on stderr and exit status 2.
 */
import { keysOf } from '../base/assertions'
import { ClusterError, ConfigError, MakemoeError, SetupError, TrainingError } from '../base/errors'
import { comparisons } from '../lab/variants'
import { type Config, configFields, preset, presets, validateConfig } from '../makemoe/config'
import { lostStatus, parallelisms } from '../runs/cluster/member'
import { trackers } from '../runs/track/trackers'
import { type ClusterOptions, memberOf } from './cluster-options'
import { natural, number, seed } from './option-values'
import { setup } from './setup/setup'

/** `--learning-rate` of `learningRate`. */
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/**
 * Adds an option for every field of the config.
 * @param defaults those of the command, where they are not the preset's
 */
function addConfigOptions(command: Command, defaults: Readonly<Record<string, unknown>> = {}): Command {
  const shown: Readonly<Record<string, unknown>> = { ...presets.default, ...defaults }
  for (const { name, description, kind, choices } of configFields()) {
    const option = new Option(`--${kebab(name)} <${kind}>`, description)
    const value = shown[name]
    if (choices) option.choices([...choices])
    else if (kind === 'number') option.argParser(number)
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

/** Adds a command to a program. */
export type Register = (program: Command) => void

function program(more: readonly Register[]): Command {
  const root = new Command('makemoe').description('Sparse mixture-of-experts language models, from scratch').exitOverride()
  const command = (name: string, description: string): Command => root.command(name).description(description).allowExcessArguments(false)

  command('setup', 'install what the project needs: TensorFlow, JupyterLab, the text')
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

  addConfigOptions(command('train', 'train a model and write a sample'))
    .addOption(
      new Option('--preset <name>', 'default: bugs of the original fixed; makemoe: the original; tiny: words within a minute')
        .choices(Object.keys(presets))
        .default('default'),
    )
    .option('--resume <folder>', 'resume the run in this folder from its newest checkpoint')
    .option('--checkpoint-every <number>', 'steps between checkpoints (default: 500)', natural)
    .option('--keep <number>', 'newest checkpoints to keep, besides the best (default: 2)', natural)
    .option('--parts <file>', 'TypeScript file that exports some of router, expert, balance, init, optimizer, attention, moe')
    .addOption(
      new Option('--tracker <name>', 'where the run is sent besides its folder (default: mlflow if MLFLOW_TRACKING_URI is set)').choices(
        Object.keys(trackers),
      ),
    )
    .option('--mlflow', 'the same as --tracker mlflow')
    .option('--text <file>', "the text to learn (default: Tiny Shakespeare; with --resume, the run's own)")
    .option('--out <folder>', "the run's folder (default: data/runs/<preset>-<seed>-<time>)")
    .option('--sample <number>', 'characters to write at the end (default: 500)', natural)
    .option('--eager', 'run op by op instead of as one graph')
    .option('--gpu', 'insist on a GPU')
    .option('--workers <number>', 'processes on this machine that train together, 2 to 8 (--batch-size stays the total)', natural)
    .option('--restarts <number>', 'with --workers: how often a run is resumed after a worker was lost (default: 3)', number)
    .addOption(
      new Option('--parallel <what>', 'what several workers share out: experts and sequences, or sequences alone').choices(parallelisms),
    )
    .option('--cluster <hosts>', 'host:port of each worker on several machines, separated by commas (default: from TF_CONFIG)')
    .option('--worker <number>', 'which of --cluster this process is, from 0', number)
    .option('--wait <seconds>', 'with --cluster: how long the other workers are waited for (default: 8)', natural)
    .option('--trust-network', 'let whoever reaches the ports of the workers run anything: TensorFlow asks for no password')
    .action(
      async (options: Record<string, unknown> & { preset: string; resume?: string; out?: string } & ClusterOptions, self: Command) => {
        const given = configOptions(options)
        const config = validateConfig({ ...preset(options.preset), ...given })
        if (options.resume !== undefined && (options.out !== undefined || self.getOptionValueSource('preset') === 'cli'))
          throw new ConfigError(
            'resume: got --out or --preset beside it, expected neither: a run is resumed in its folder, with its config',
          )
        const member = memberOf(options)
        if (member) (await import('./launcher')).endWithLauncher()
        await setUpQuietly(options.text === undefined)
        if (options.workers !== undefined) {
          process.exitCode = await (await import('./workers')).trainWithWorkers(config, options, process.argv.slice(3))
          return
        }
        if (options.gpu) (await import('./gpu')).requireGpu()
        const { resume, train } = await import('./train')
        const all = { ...options, member }
        process.exitCode = options.resume === undefined ? await train(config, all) : await resume(given, { ...all, resume: options.resume })
      },
    )

  command('generate', 'write text with a trained model')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--parts <file>', 'the file with the parts that the model was made with')
    .option('--prompt <text>', 'how the text begins (default: a new line)')
    .option('--tokens <number>', 'characters to write', natural, 500)
    .option('--temperature <number>', 'below 1 more greedy, above 1 more random, 0 greedy', number, 0.8)
    .option('--top-k <number>', 'sample from the K most likely characters only', natural)
    .option('--top-p <number>', 'sample from the smallest set with this probability (nucleus)', number)
    .option('--seed <number>', 'of the random numbers', seed, 1337)
    .option('--samples <number>', 'texts to write', natural, 1)
    .option('--eager', 'run op by op instead of as one graph')
    .option('--like-makemoe', 'with dropout, routing noise and dropped tokens, as the original')
    .action(async (options) => {
      await setUpQuietly(false)
      await (await import('./generate')).generateText(options)
    })

  command('evaluate', 'the exact mean cross-entropy over the whole validation split')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--text <file>', 'the text (default: the one it was trained on)')
    .option('--parts <file>', 'the file with the parts that the model was made with')
    .option('--json', 'print one JSON object')
    .option('--eager', 'run op by op instead of as one graph')
    .action(async (options) => {
      await setUpQuietly(options.text === undefined)
      await (await import('./evaluate')).evaluateCheckpoint(options)
    })

  command('inspect', 'make one HTML file of what the experts of a trained model do, and of what is lost without each of them')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--out <file>', 'the page (default: inspect.html in the run folder)')
    .option('--text <file>', 'the text whose validation split is observed (default: the one it was trained on)')
    .option('--characters <number>', 'a quick estimate from the first characters of the validation split (default: all, exact)', natural)
    .option('--parts <file>', 'the file with the parts that the model was made with')
    .option('--eager', 'run op by op instead of as one graph')
    .action(async (options) => {
      await setUpQuietly(options.text === undefined)
      await (await import('./inspect')).inspectCheckpoint(options)
    })

  addConfigOptions(command('compare', 'train variants under equal conditions and say which differences are more than noise'), {
    steps: 1000,
    evalInterval: 'a tenth of the steps',
    evalIters: 50,
  })
    .addOption(
      new Option(
        '--what <name>',
        'variants of the model that the other options describe: ways to balance; routers; which, how many and how wide experts; capacity factors and drop policies; dense models; first weights',
      ).choices(keysOf(comparisons)),
    )
    .option(
      '--variants <file>',
      'your own: a TypeScript file with export const variants = { wide: { expertWidth: 1024 }, ... }; the fields are those of config.json',
    )
    .option('--against <variant>', 'the one that the others are compared with (default: the first)')
    .addOption(
      new Option('--preset <name>', 'what the variants share; the values above are of the default')
        .choices(Object.keys(presets))
        .default('default'),
    )
    .option('--seeds <number>', 'trainings of each variant, with the seeds from --seed on', natural, 3)
    .option('--out <folder>', 'where results are kept; what is there is not trained again (default: data/runs/compare)')
    .option('--text <file>', 'the text to learn (default: Tiny Shakespeare)')
    .option('--eager', 'run op by op instead of as one graph')
    .action(async (options: Record<string, unknown> & { preset: string; seeds: number; text?: string }) => {
      const { steps = 1000, evalInterval = Math.ceil(steps / 10), evalIters = 50, ...given } = configOptions(options)
      const config = validateConfig({ ...preset(options.preset), steps, evalInterval: Math.max(1, evalInterval), evalIters, ...given })
      await setUpQuietly(options.text === undefined)
      process.exitCode = await (await import('./compare')).compareVariants(config, options)
    })

  command('export', 'make one HTML file of a trained model: it writes in any browser, offline, and shows its experts at work')
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .requiredOption('--out <file>', 'the page, for example model.html')
    .option('--parts <file>', 'the file with the parts that the model was made with')
    .addOption(new Option('--precision <name>', 'of the weights').choices(['int8', 'fp16', 'fp32']).default('int8'))
    .option('--text <file>', 'the text whose validation split is measured (default: the one it was trained on)')
    .option('--prompt <text>', 'how the text on the page begins')
    .option('--characters <number>', 'characters to measure', natural, 20_000)
    .action(async (options) => {
      await setUpQuietly(options.text === undefined)
      await (await import('./export')).exportPage(options)
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

  for (const register of more) register(root)
  for (const each of root.commands) each.exitOverride().showHelpAfterError(false)
  return root
}

/**
 * Runs a command.
 * @param args without node and the script
 * @param more commands besides those of lib
 * @returns the exit status: 0, 2 for a person's mistake, 1 for a fault of the program, 130 after Ctrl-C
 */
export async function main(args: readonly string[], more: readonly Register[] = []): Promise<number> {
  // Whoever reads the output may go away (`| head`); the work continues.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  try {
    await program(more).parseAsync([...args], { from: 'user' })
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
