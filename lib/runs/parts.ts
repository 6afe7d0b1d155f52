/**
 * Parts by value: what a person passes in place of lib's own, in a cell or from a file (`--parts`). A checkpoint records which parts it was
 * made with, never their code: whoever loads it gives them again.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isOneOf } from '../base/assertions'
import { CheckpointError } from '../base/errors'
import type { ModelParts } from '../makemoe/model/model-parts'
import type { MakeOptimizer } from '../makemoe/optim/optimizer'
import { checkPartNames, partNamesOf } from '../makemoe/part-names'
import type { TokenizerKind } from '../makemoe/text/tokenizer'
import type { Schedule } from '../makemoe/train/schedule'

/** The parts that can be passed by value: those of a model (`ModelParts`), and those of its training. */
export interface Parts extends ModelParts {
  readonly optimizer?: MakeOptimizer | undefined
  readonly schedule?: Schedule | undefined
  /** Makes the tokenizer of a text, and the one that was saved. */
  readonly tokenizer?: TokenizerKind | undefined
}

/** The file that parts came from. */
export interface PartsFile {
  /** Without its folder. */
  readonly name: string
  readonly sha256: string
  /** Of the files that it imports or names otherwise, if there are any; its copy in a run's folder does not find them. */
  readonly imports?: string | undefined
  readonly source: string
}

/** What a checkpoint says of the parts that it was made with. */
export interface PartsRecord {
  /** Which parts, in the order of `partNames`. */
  readonly names: readonly string[]
  /** Of the file, if they came from one. */
  readonly file?: string | undefined
  readonly sha256?: string | undefined
  /** Of the files that it imports; absent too in records of earlier versions. */
  readonly imports?: string | undefined
}

/** The record of parts by name, or undefined if there are none. */
export function recordOf(all: readonly object[], file?: PartsFile): PartsRecord | undefined {
  const names = partNamesOf().filter((name) => all.some((parts) => (parts as Readonly<Record<string, unknown>>)[name] !== undefined))
  if (names.length === 0) return undefined
  const { name, sha256, imports } = file ?? {}
  return { names, ...(file ? { file: name, sha256 } : {}), ...(imports === undefined ? {} : { imports }) }
}

/** Where a run keeps its file of parts; a checkpoint lies two folders below. */
function copyOf(folder: string, file = ''): string {
  const copies = [folder, join(folder, '../..')].map((place) => join(place, file))
  return copies.find((copy) => existsSync(copy)) ?? file
}

/**
 * Checks that a checkpoint is loaded with the parts that it was made with.
 * @throws CheckpointError that says which are missing, changed or too many
 */
export function matchParts(folder: string, record: PartsRecord | undefined, parts: Parts, file: PartsFile | undefined): void {
  checkPartNames(parts)
  const given = recordOf([parts], file)
  // How the model was trained does not matter to what it is.
  const ofModel = (names: readonly string[] = []): string =>
    names.filter((name) => !isOneOf<string>(partNamesOf('training'), name)).join(', ')
  const wanted = ofModel(record?.names)
  if (!given && record && (wanted !== '' || record.file !== undefined)) {
    const again =
      record.imports === undefined ? `, or the run's copy: --parts ${copyOf(folder, record.file)}` : ', with those that it imports'
    const how = record.file
      ? `--parts ${record.file} (${record.names.join(', ')}); give that file again${again}`
      : `the parts ${wanted} of a notebook; give them again: loadCheckpoint(folder, { ${wanted} }), or --parts FILE that exports them`
    throw new CheckpointError(`${folder} was made with ${how}`)
  }
  if (file && record?.sha256 !== undefined && file.sha256 !== record.sha256) {
    const how = record.imports === undefined ? '--parts ' : 'without what it imports, '
    throw new CheckpointError(
      `${file.name} has changed since ${folder} was made: its sha256 is ${file.sha256.slice(0, 12)}, expected ${record.sha256.slice(0, 12)} (the run's copy of ${record.file}: ${how}${copyOf(folder, record.file)})`,
    )
  }
  if (file && record?.imports !== undefined && file.imports !== record.imports)
    throw new CheckpointError(
      `a file that ${file.name} imports has changed since ${folder} was made: their sha256 is ${file.imports?.slice(0, 12) ?? 'none'}, expected ${record.imports.slice(0, 12)}`,
    )
  if (ofModel(given?.names) !== wanted)
    throw new CheckpointError(
      `${folder}: got the parts ${ofModel(given?.names) || 'none'}, expected those it was made with: ${wanted || 'none'}`,
    )
}
