/**
 * The folder of a run: config and weights once it ends, `metrics.jsonl`, and `checkpoints/step-N`, each with all that resuming to the bit
 * needs. One process at a time has it.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../base/assertions'
import { CheckpointError, RunError, TrainingError } from '../base/errors'
import { lockFile, removeFolder, requireNewFolder, writeFileAtomic, writeFolderAtomic } from '../base/files'
import { findNotFinite } from '../makemoe/train/state-dict'
import type { TrainingState } from '../makemoe/train/training-state'
import {
  type Checkpoint,
  type CheckpointContents,
  checkFinite,
  checkpointFiles,
  configFile,
  loadCheckpoint,
  readBytes,
  readJson,
  saveCheckpoint,
  sha256Of,
} from './checkpoint'
import type { Parts, PartsFile } from './parts'
import { decodeSafetensors, encodeSafetensors } from './safetensors'

const optimizerFile = 'optimizer.safetensors'
const stateFile = 'training.json'
const stateFormat = 'makemoe-training-1'

const stateSchema = z.object({
  format: z.literal(stateFormat),
  step: z.number().int().min(0),
  streams: z.record(z.string(), z.number().int().min(0)),
  valLoss: z.number().optional(),
  /** The text's sha256. */
  text: z.string(),
  /** The sha256 of the optimizer's file. */
  sha256: z.string(),
})

/** A checkpoint with what resuming needs. */
export interface ResumableCheckpoint extends Checkpoint {
  readonly state: TrainingState
  /** The text's sha256. */
  readonly textSha256: string
}

/** The names of a run's checkpoints, oldest first. */
function checkpointNames(folder: string): string[] {
  const all = join(folder, 'checkpoints')
  if (!existsSync(all)) return []
  return readdirSync(all)
    .filter((name) => /^step-\d+(\.new)?$/.test(name))
    .sort((a, b) => stepOf(a) - stepOf(b) || a.length - b.length)
}

const stepOf = (name: string): number => Number.parseInt(name.slice('step-'.length), 10)

/** What a checkpoint is called that takes another one's place, as long as that is there. */
const successorOf = (path: string): string => `${path}.new`

/** Puts a successor in the place of its checkpoint: whenever the process ends, one of them is there whole. */
function replace(path: string): void {
  if (existsSync(path)) removeFolder(path)
  renameSync(successorOf(path), path)
}

/** Whether a folder has these files as they are. */
function holds(folder: string, files: Readonly<Record<string, string | Uint8Array>>): boolean {
  const isSame = (file: string, data: string | Uint8Array): boolean => existsSync(file) && readFileSync(file).equals(Buffer.from(data))
  return Object.entries(files).every(([name, data]) => isSame(join(folder, name), data))
}

/** The checkpoints that a run keeps, oldest first. */
export function checkpointsOf(folder: string): { readonly step: number; readonly path: string }[] {
  return checkpointNames(folder).map((name) => ({ step: stepOf(name), path: join(folder, 'checkpoints', name) }))
}

/** A run's newest checkpoint, or undefined. */
export function newestCheckpoint(folder: string): string | undefined {
  const name = checkpointNames(folder).at(-1)
  return name === undefined ? undefined : join(folder, 'checkpoints', name)
}

/** Where a run's weights are: in the folder itself once it has ended, else in its newest checkpoint. */
export function checkpointIn(folder: string): string {
  return existsSync(join(folder, configFile)) ? folder : (newestCheckpoint(folder) ?? folder)
}

/**
 * Reads the state of training from a run's newest checkpoint.
 * @returns it with the checkpoint's path and the sha256 of the text
 * @throws CheckpointError if there is none, or it is damaged
 */
export function loadTrainingState(folder: string): { path: string; state: TrainingState; textSha256: string } {
  const path = newestCheckpoint(folder)
  if (path === undefined)
    throw new CheckpointError(`got ${folder}, expected a run folder with a checkpoint in ${join(folder, 'checkpoints')}`)
  const parsed = stateSchema.safeParse(readJson(join(path, stateFile)))
  if (!parsed.success) throw new CheckpointError(`${join(path, stateFile)} is not a training state of this project (${stateFormat})`)
  const bytes = readBytes(join(path, optimizerFile))
  const optimizer = decodeSafetensors(bytes)
  if (sha256Of(bytes) !== parsed.data.sha256) throw new CheckpointError(`${join(path, optimizerFile)} is damaged: its checksum differs`)
  checkFinite(join(path, optimizerFile), optimizer)
  const { step, streams, valLoss, text } = parsed.data
  return { path, textSha256: text, state: { step, streams, valLoss, optimizer } }
}

/**
 * Reads a run's newest checkpoint with the state of its training.
 * @throws CheckpointError if there is none, it is damaged, or made with other parts
 */
export function loadResumable(folder: string, parts: Parts = {}, partsFile?: PartsFile): ResumableCheckpoint {
  const { path, ...training } = loadTrainingState(folder)
  const checkpoint = loadCheckpoint(path, parts, partsFile)
  if (checkpoint.parts?.names.includes('optimizer') && !parts.optimizer)
    throw new CheckpointError(`${folder} was trained with an optimizer of its own; give it again, as the part optimizer`)
  return { ...checkpoint, ...training }
}

/** What a run does with its folder. */
export interface Folder {
  readonly path: string
  reopen(): void
  saveCheckpoint(checkpoint: CheckpointContents, state: TrainingState, text: string, keep?: number): string
  /** Writes the weights for the commands. */
  saveWeights(contents: CheckpointContents): void
  /** Keeps a file beside them. */
  keepFile(name: string, content: string): void
  close(): void
  /** Removes what this run made of it, for a run that is refused. */
  discard(): void
}

/** The folder as a worker has it that does not lead: another process writes it. */
export const folderOfAnother = (path: string): Folder => ({
  path,
  reopen: () => {},
  saveCheckpoint: () => path,
  saveWeights: () => {},
  keepFile: () => {},
  close: () => {},
  discard: () => {},
})

/** Newest checkpoints that stay, besides the best. */
export const keptCheckpoints = 2

/** A run folder that this process has for itself. */
export class RunFolder implements Folder {
  /** The outermost folder that was made for it. */
  private made: string | undefined

  private constructor(
    readonly path: string,
    private unlock: (() => void) | undefined,
  ) {}

  /**
   * A new run's folder.
   * @throws ConfigError if there is something in it; RunError if it cannot be made or another process has it
   */
  static create(path: string): RunFolder {
    requireNewFolder(path)
    return RunFolder.open(path)
  }

  /**
   * A run's folder, to resume in it.
   * @throws RunError if another process has it
   */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path, undefined)
    folder.reopen()
    return folder
  }

  /**
   * Takes the folder again if it was closed.
   * @throws RunError if another process has it
   */
  reopen(): void {
    if (this.unlock) return
    const { path } = this
    try {
      this.made = mkdirSync(path, { recursive: true }) ?? this.made
      this.unlock = lockFile(join(path, 'lock'))
    } catch (error) {
      throw new RunError(`cannot use the run folder ${path}: ${messageOf(error)}`)
    }
    if (!this.unlock) throw new RunError(`another process is using the run folder ${path}`)
  }

  /**
   * Writes a checkpoint, in place of one of its step that differs, then removes all but the newest `keep` and the one with the lowest
   * validation loss.
   * @param text the text's sha256
   * @returns its path
   * @throws RunError if the disk does not take it, TrainingError if nothing could be resumed from it; earlier checkpoints are untouched
   */
  saveCheckpoint(checkpoint: CheckpointContents, state: TrainingState, text: string, keep = keptCheckpoints): string {
    const { step, streams, valLoss, optimizer } = state
    const path = join(this.path, 'checkpoints', `step-${step}`)
    const problem = findNotFinite(optimizer)
    if (problem !== undefined) throw new TrainingError(`after ${step} steps the optimizer's state is not finite: ${problem}`)
    const moments = encodeSafetensors(optimizer)
    const description = { format: stateFormat, step, streams, valLoss, text, sha256: sha256Of(moments) }
    const files = {
      ...checkpointFiles(checkpoint),
      [optimizerFile]: moments,
      [stateFile]: `${JSON.stringify(description, null, 2)}\n`,
    }
    if (existsSync(successorOf(path))) replace(path) // a process ended between the two
    if (!existsSync(path)) writeFolderAtomic(path, files)
    else if (!holds(path, files)) {
      writeFolderAtomic(successorOf(path), files)
      replace(path)
    }
    this.prune(keep)
    return path
  }

  saveWeights(contents: CheckpointContents): void {
    saveCheckpoint(this.path, contents)
  }

  keepFile(name: string, content: string): void {
    writeFileAtomic(join(this.path, name), content)
  }

  private prune(keep: number): void {
    const all = join(this.path, 'checkpoints')
    // What a process that was killed left half-written or half-removed.
    for (const name of readdirSync(all)) if (name.endsWith('.partial')) rmSync(join(all, name), { recursive: true, force: true })
    const names = checkpointNames(this.path)
    const losses = names.map((name) => {
      const parsed = stateSchema.safeParse(readJson(join(all, name, stateFile)))
      return parsed.data?.valLoss ?? Number.POSITIVE_INFINITY
    })
    const best = names[losses.indexOf(Math.min(...losses))]
    for (const name of names.slice(0, -keep)) if (name !== best) removeFolder(join(all, name))
  }

  /** Gives the folder back. */
  close(): void {
    this.unlock?.()
    this.unlock = undefined
  }

  /** A new run's folder was made for it, or was there and empty: then it stays. */
  discard(): void {
    this.close()
    const own = this.made === undefined ? readdirSync(this.path).map((name) => join(this.path, name)) : [this.made]
    for (const path of own) rmSync(path, { recursive: true, force: true })
  }
}
