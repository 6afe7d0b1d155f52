/** Where a command writes: a folder that holds nothing yet. */
import { existsSync, readdirSync } from 'node:fs'
import { ConfigError } from '../errors'

/** @throws ConfigError if there is something in the folder that could be overwritten */
export function requireNewFolder(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new ConfigError(`out: got ${folder}, expected a folder that is new or empty (nothing is overwritten)`)
}
