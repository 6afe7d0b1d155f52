/** `makemoe import`: weights that makeMoE.py's model saved, as a checkpoint. */

import { readFileSync } from 'node:fs'
import { messageOf } from '../base/assertions'
import { CheckpointError } from '../base/errors'
import { requireNewFolder } from '../base/files'
import type { Config } from '../makemoe/config'
import { CharTokenizer } from '../makemoe/text/char-tokenizer'
import { saveCheckpoint, sha256Of } from '../runs/checkpoint'
import { importStateDict } from '../runs/import'
import { recordedPath, textOf } from './text-of'

/** @throws CheckpointError if the file is not a state_dict of makeMoE's model */
export async function importWeights(
  file: string,
  config: Partial<Config>,
  options: { readonly out: string; readonly text?: string },
): Promise<void> {
  requireNewFolder(options.out)
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new CheckpointError(`cannot read ${file}: ${messageOf(error)}`)
  }
  const { text } = textOf(options)
  const tokenizer = CharTokenizer.fromText(text)
  const checkpoint = importStateDict(bytes, tokenizer, config)
  saveCheckpoint(options.out, { ...checkpoint, text: { sha256: sha256Of(text), path: recordedPath(options.text) } })
  console.log(`imported ${checkpoint.model.parameterCount() / 1e6} M parameters into ${options.out}`)
}
