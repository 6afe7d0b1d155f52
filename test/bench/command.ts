/** `npm run bench`: the command and its options. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { isOneOf, keysOf } from 'makemoe/dist/base/assertions'
import { ConfigError } from 'makemoe/dist/base/errors'
import { natural, number } from 'makemoe/dist/cli/option-values'
import { setup } from 'makemoe/dist/cli/setup/setup'
import { type PresetName, presets } from 'makemoe/dist/makemoe/presets'
import { parallelisms } from 'makemoe/dist/runs/cluster/member'
import type { BenchOptions } from './bench'
import { type SizeName, sizes } from './sizes'
import type { WorkersBenchOptions } from './workers'

/** Numbers of processes: `1,2,4`. */
function counts(text: string): number[] {
  const numbers = text.split(',').map(natural)
  if (numbers.some((count) => count > 8)) throw new InvalidArgumentError('expected 1 to 8 each.')
  return numbers
}

/** Capacity factors: `0.5,1,none`; none is Infinity. */
function factors(text: string): number[] {
  const numbers = text.split(',').map((each) => (each === 'none' ? Infinity : number(each)))
  if (numbers.some((factor) => factor <= 0)) throw new InvalidArgumentError('expected positive numbers, or none.')
  return numbers
}

/** Some of the names of a table: `tiny,small`. */
const someOf =
  <T extends object>(table: T) =>
  (text: string): (keyof T & string)[] =>
    text.split(',').map((name) => {
      const names = keysOf(table)
      if (!isOneOf(names, name)) throw new InvalidArgumentError(`expected some of ${names.join(', ')}.`)
      return name
    })

interface Options extends BenchOptions, Omit<WorkersBenchOptions, 'workers' | keyof BenchOptions> {
  readonly workers?: number[]
  readonly toLoss?: true | PresetName[]
  readonly seeds?: number
  readonly profile?: true | SizeName[]
  readonly figure?: string
}

export function register(program: Command): void {
  program
    .command('bench')
    .description('milliseconds of a step, an evaluation batch and a character; beside PyTorch if it is there')
    .allowExcessArguments(false)
    .option('--with-pytorch', 'fetch PyTorch into the virtual environment')
    .option('--rounds <number>', 'turns of each', natural, 8)
    .addOption(new Option('--size <name>', 'of the model').choices([...keysOf(sizes), 'all']).default('default'))
    .option('--growth <file>', 'measure how time and memory grow with each dimension, and draw it (HTML)')
    .option('--json <file>', 'write the numbers as JSON')
    .option(
      '--to-loss [presets]',
      'train presets instead, such as tiny,small (default: the ladder), and say how long each took to which loss',
      someOf(presets),
    )
    .option('--seeds <number>', 'with --to-loss: trainings of each', natural)
    .option(
      '--profile [sizes]',
      "where a step's time goes, by kind of op, such as tiny,default (default: those and experts)",
      someOf(sizes),
    )
    .option('--figure <file>', 'with --to-loss: draw loss against minutes (HTML)')
    .option('--workers <numbers>', 'measure a step in these numbers of processes instead, such as 1,2,4: time, bytes sent, waiting', counts)
    .addOption(new Option('--parallel <what>', 'with --workers: what they share out').choices(parallelisms))
    .option('--capacity-factors <numbers>', 'with --workers: such as 0.5,1,none (default: none,1)', factors)
    .option('--checkpoint <folder>', "with --workers: a run whose model is measured, on its text, instead of a size's")
    .option('--trust-network', 'with --workers, where they cannot have a network of their own')
    .action(async ({ workers, toLoss, seeds, figure, profile, ...options }: Options) => {
      if (seeds !== undefined && toLoss === undefined) throw new ConfigError('seeds: got it without --to-loss, expected both')
      if (figure !== undefined && toLoss === undefined) throw new ConfigError('figure: got it without --to-loss, expected both')
      if (toLoss !== undefined) {
        await setup({ jupyter: false, text: true, pytorch: options.withPytorch ?? false }, (line) => console.error(line))
        const { benchToLoss, ladder } = await import('./to-loss')
        const names = toLoss === true ? ladder.map(({ preset }) => preset) : toLoss
        return await benchToLoss(names, { ...options, seeds: seeds ?? 3, ...(figure === undefined ? {} : { figure }) })
      }
      if (profile) {
        await setup({ jupyter: false, text: false }, (line) => console.error(line))
        return (await import('./profile')).benchProfile(profile === true ? ['tiny', 'default', 'experts'] : profile)
      }
      if (workers) {
        await setup({ jupyter: false, text: options.checkpoint !== undefined }, (line) => console.error(line))
        return await (await import('./workers')).benchWorkers({ ...options, workers })
      }
      const alone = (['parallel', 'capacityFactors', 'checkpoint', 'trustNetwork'] as const).find((name) => options[name] !== undefined)
      if (alone) throw new ConfigError(`${alone}: got it without --workers, expected both`)
      await setup({ jupyter: false, text: false, pytorch: options.withPytorch ?? false }, (line) => console.error(line))
      await (await import('./bench')).bench(options)
    })
}
