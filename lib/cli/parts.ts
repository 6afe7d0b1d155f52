/** A person's TypeScript file, loaded without a build step: options `--parts FILE` and `--variants FILE`. */

import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { createJiti } from 'jiti'
import { messageOf } from '../base/assertions'
import { sourcesOf } from '../base/code-version'
import { ConfigError, MakemoeError } from '../base/errors'
import { tfjsModule, tfjsModules } from '../engine/tensor/tfjs-modules'
import { checkPartNames, partNamesOf } from '../makemoe/part-names'
import { sha256Of } from '../runs/checkpoint'
import type { Parts, PartsFile } from '../runs/parts'
import { checkTypes } from './check-types'

/** Parts, and the file that they came from. */
export interface LoadedParts {
  readonly parts: Parts
  readonly partsFile?: PartsFile | undefined
}

/**
 * Runs a person's TypeScript file.
 * @param what the file is, for what is said of it
 * @param expected types that its exports must have, by name
 * @returns its exports by name, and its source
 * @throws ConfigError if it cannot be read, has a type error, or fails
 */
export async function importFile(
  file: string,
  what: string,
  expected: Readonly<Record<string, string>> = {},
): Promise<{ exported: Record<string, unknown>; source: string }> {
  const path = resolve(file)
  const wrong = (problem: string): ConfigError => new ConfigError(`${what}: ${file} ${problem}`)
  let source: string
  try {
    source = readFileSync(path, 'utf8')
  } catch (error) {
    throw wrong(`cannot be read: ${messageOf(error)}`)
  }
  checkTypes(file, what, expected)
  // The same lib as the commands': two copies would have two classes Module, and two TensorFlows.
  const virtualModules: Record<string, unknown> = { makemoe: require('../index') }
  for (const name of tfjsModules) Object.defineProperty(virtualModules, name, { enumerable: true, get: tfjsModule })
  const jiti = createJiti(__filename, { virtualModules, moduleCache: false, fsCache: false })
  try {
    // Newer Node versions add module.exports to the names of a CommonJS file.
    const { default: _default, 'module.exports': _whole, ...exported } = await jiti.import<Record<string, unknown>>(path)
    return { exported, source }
  } catch (error) {
    if (error instanceof MakemoeError) throw wrong(`fails: ${error.message}`)
    throw wrong(
      `fails: ${(error instanceof Error ? (error.stack ?? error.message) : String(error)).split('\n').slice(0, 2).join(' ').trim()}`,
    )
  }
}

/**
 * Loads a file that exports some of the parts by name.
 * @throws ConfigError if it cannot be read, fails, exports none of them or something else
 */
export async function loadParts(file: string | undefined): Promise<LoadedParts> {
  if (file === undefined) return { parts: {} }
  const { exported, source } = await importFile(file, 'parts', Object.fromEntries(partNamesOf().map((name) => [name, `Parts['${name}']`])))
  checkPartNames(exported)
  if (Object.keys(exported).length === 0)
    throw new ConfigError(`parts: ${file} exports nothing, expected some of the parts: export const router = ...`)
  const [, ...named] = sourcesOf(file).values()
  const imports = named.length === 0 ? undefined : sha256Of(named.map(sha256Of).join())
  return { parts: exported as Parts, partsFile: { name: basename(file), sha256: sha256Of(source), imports, source } }
}
