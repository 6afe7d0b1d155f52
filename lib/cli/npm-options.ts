/**
 * Options that npm kept for itself: `npm run train --steps=3`, without the `--` before the options, leaves `npm_config_steps=3` in the
 * environment and nothing in the arguments.
 */
import type { Command, Option } from 'commander'
import { ConfigError } from '../base/errors'

/** Names that are npm's own settings too, and may stand in a person's .npmrc; with the value that our option would leave. */
const npmsOwn: Readonly<Record<string, readonly string[]>> = { json: ['true'], browser: ['', 'false'] }

/** What is in the environment of an option; undefined if nothing, or if it is npm's setting. */
function kept(option: Option, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const name = option.name().replace(/^no-/, '')
  const value = env[`npm_config_${name.replaceAll('-', '_')}`]
  if (value === undefined) return undefined
  return (npmsOwn[name]?.includes(value) ?? true) ? value : undefined
}

/**
 * Refuses a command some of whose options npm has kept.
 * @param args those that did arrive
 * @throws ConfigError that says what to type
 */
export function requireNothingKept(command: Command, args: readonly string[], env: Readonly<Record<string, string | undefined>>): void {
  if (env.npm_lifecycle_event !== command.name()) return // another script's options, or none of npm's
  const options = command.options.flatMap((option) => {
    const value = kept(option, env)
    if (value === undefined) return []
    const takesValue = option.required || option.optional
    return [takesValue && value !== 'true' && value !== '' ? `${option.long} ${/\s/.test(value) ? `'${value}'` : value}` : `${option.long}`]
  })
  if (options.length === 0) return
  const typed = [`npm run ${command.name()} --`, ...options, ...args].join(' ')
  const names = options.map((option) => option.split(' ')[0]).join(', ')
  throw new ConfigError(`npm kept ${names} for itself, expected -- before the options; type: ${typed}`)
}
