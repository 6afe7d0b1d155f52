/** `makemoe import`: weights that makeMoE.py's model saved, as a checkpoint of ours. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config'
import { CheckpointError } from '../errors'
import { requireNewFolder } from '../files'
import { CharTokenizer } from '../text/char-tokenizer'
import { importStateDict, saveCheckpoint } from '../train/checkpoint'
import { textOf } from './text-of'

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
    throw new CheckpointError(`cannot read ${file}: ${(error as Error).message}`)
  }
  const tokenizer = CharTokenizer.fromText(textOf(options).text)
  const checkpoint = importStateDict(bytes, tokenizer, config)
  saveCheckpoint(options.out, checkpoint)
  console.log(`imported ${checkpoint.model.parameterCount() / 1e6} M parameters into ${options.out}`)
}
