/** Atomic writes of files and folders, and a lock that ends with its process. */

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { messageOf } from './assertions'
import { ConfigError, RunError } from './errors'
import { libc } from './libc'

/** Waits until what was written, or a folder's list of names, is on the disk. */
function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function writeSynced(file: string, data: string | Uint8Array): void {
  const descriptor = openSync(file, 'w')
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** A name that no other process or thread writes to. */
const partialOf = (path: string): string => `${path}.${process.pid}-${threadId}.partial`

/** Nothing is written for longer than this; milliseconds. */
const longestWrite = 3_600_000

/** Removes what processes that were killed have left beside a path. */
function removeAbandoned(path: string): void {
  for (const name of readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith('.partial'))) {
    const partial = join(dirname(path), name)
    const written = statSync(partial, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
    if (written < Date.now() - longestWrite) rmSync(partial, { recursive: true, force: true })
  }
}

/** Runs `write` on a partial path and renames it; after a failure nothing is left of it. */
function atomically(path: string, write: (partial: string) => void): void {
  const partial = partialOf(path)
  try {
    mkdirSync(dirname(path), { recursive: true })
    removeAbandoned(path)
    rmSync(partial, { recursive: true, force: true })
    write(partial)
    renameSync(partial, path)
    sync(dirname(path))
  } catch (error) {
    try {
      rmSync(partial, { recursive: true, force: true })
    } catch {} // what made the writing fail may do the same here; the first reason is reported
    throw new RunError(`cannot write ${path}: ${messageOf(error)} (what was there before is untouched)`)
  }
}

/**
 * Writes a file atomically: to a temporary file beside it, synced, renamed.
 * @throws RunError if that fails: a full disk, a folder that cannot be written to
 */
export function writeFileAtomic(file: string, data: string | Uint8Array): void {
  atomically(file, (partial) => writeSynced(partial, data))
}

/**
 * Writes a new folder with its files atomically.
 * @throws RunError if that fails
 */
export function writeFolderAtomic(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  atomically(folder, (partial) => {
    mkdirSync(partial)
    for (const [name, data] of Object.entries(files)) writeSynced(join(partial, name), data)
    sync(partial)
  })
}

/** Removes a folder atomically: a process that ends half-way leaves no half of it under its name. */
export function removeFolder(folder: string): void {
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  renameSync(folder, partial)
  rmSync(partial, { recursive: true, force: true })
}

/**
 * Refuses a folder in which something could be overwritten; a lock alone is nothing.
 * @throws ConfigError
 */
export function requireNewFolder(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).some((name) => name !== 'lock'))
    throw new ConfigError(
      `out: got ${folder}, expected a folder that is new or empty (nothing is overwritten; train --resume resumes a run)`,
    )
}

/**
 * Takes a lock on a file; the system gives it back when the process ends, however it ends.
 * @returns a function that gives it back, or undefined if another process has it
 * @throws RunError if the file cannot be written
 */
export function lockFile(file: string): (() => void) | undefined {
  const exclusive = 2
  const withoutWaiting = 4
  let descriptor: number
  try {
    descriptor = openSync(file, 'w')
  } catch (error) {
    throw new RunError(`cannot write ${file}: ${messageOf(error)}`)
  }
  if (libc().flock(descriptor, exclusive | withoutWaiting) === 0) return () => closeSync(descriptor)
  closeSync(descriptor)
  return undefined
}
