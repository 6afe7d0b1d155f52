/** Files that are there whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file whole or not at all: to a temporary file beside it, synced, renamed. */
export function writeFileWhole(file: string, data: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true })
  const partial = `${file}.partial`
  writeFileSync(partial, data)
  const descriptor = openSync(partial, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
  renameSync(partial, file)
}
