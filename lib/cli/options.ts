/** What the commands share: the config's fields as options, options that several have, and what is set up before a command works. */
import { type Command, Option } from 'commander'
import { keysOf } from '../base/assertions'
import { type Config, configFields } from '../makemoe/config'
import { presets } from '../makemoe/presets'
import { tokenizers } from '../makemoe/text/tokenizers'
import { number } from './option-values'

/** `--learning-rate` of `learningRate`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** A command: its name and description, and no arguments beyond those that it names. */
export const addCommand = (program: Command, name: string, description: string): Command =>
  program.command(name).description(description).allowExcessArguments(false)

const headings = { model: 'Model:', mixture: 'Mixture of experts:', training: 'Training:' } as const

/**
 * Adds an option for every field of the config.
 * @param defaults those of the command, where they are not the preset's
 */
export function addConfigOptions(command: Command, defaults: Readonly<Record<string, unknown>> = {}): Command {
  for (const { name, group, description, kind, choices, default: usual } of configFields()) {
    const option = new Option(`--${kebab(name)} <${kind}>`, description).helpGroup(headings[group])
    const value = defaults[name] ?? (usual === undefined ? undefined : presets.default[name])
    if (choices) option.choices([...choices])
    else if (kind === 'number') option.argParser(number)
    if (value !== undefined) option.description = `${description} (default: ${value})`
    command.addOption(option)
  }
  return command
}

/** The config fields among a command's options. */
export function configOptions(options: Readonly<Record<string, unknown>>): Partial<Config> {
  return Object.fromEntries(
    configFields()
      .filter(({ name }) => options[name] !== undefined)
      .map(({ name }) => [name, options[name]]),
  )
}

/** Option --preset. */
export const presetOption = (description: string): Option =>
  new Option('--preset <name>', description).choices(Object.keys(presets)).default('default')

/** Option --tokenizer. */
export const tokenizerOption = (): Option => new Option('--tokenizer <name>', 'what a token is').choices(keysOf(tokenizers))

/** Options of the commands that work on a trained model. */
export interface CheckpointOptions {
  readonly checkpoint: string
  readonly parts?: string
}

/** Adds --checkpoint and --parts. */
export const addCheckpointOptions = (command: Command): Command =>
  command
    .requiredOption('--checkpoint <folder>', 'a run folder')
    .option('--parts <file>', 'the file with the parts that the model was made with')

/** Adds --eager. */
export const addEagerOption = (command: Command): Command => command.option('--eager', 'run op by op instead of as one graph')
