/** `makemoe import`: weights that makeMoE.py's model saved, as a checkpoint. */

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { messageOf } from '../base/assertions'
import { CheckpointError } from '../base/errors'
import { requireNewFolder } from '../base/files'
import type { Config } from '../makemoe/config'
import { CharTokenizer } from '../makemoe/text/char-tokenizer'
import { saveCheckpoint } from '../runs/checkpoint'
import { importStateDict } from '../runs/import'
import { addCommand, addConfigOptions, configOptions } from './options'
import { corpusOf, recordedPath, setUpQuietly, textDescription } from './text-option'

interface ImportOptions {
  readonly out: string
  readonly text?: string
}

export function register(program: Command): void {
  const command = addCommand(program, 'import', 'make a checkpoint of a state_dict that makeMoE.py saved as safetensors')
    .argument('<file>', 'model.safetensors')
    .requiredOption('--out <folder>', 'where the checkpoint goes')
    .option('--text <text>', textDescription('the text whose characters are the vocabulary', 'Tiny Shakespeare'))
  addConfigOptions(command).action(async (file: string, options: ImportOptions & Readonly<Record<string, unknown>>) => {
    await setUpQuietly(options.text)
    await importWeights(file, configOptions(options), options)
  })
}

/** @throws CheckpointError if the file is not a state_dict of makeMoE's model */
async function importWeights(file: string, config: Partial<Config>, options: ImportOptions): Promise<void> {
  requireNewFolder(options.out)
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw new CheckpointError(`cannot read ${file}: ${messageOf(error)}`)
  }
  const corpus = await corpusOf(options)
  const tokenizer = CharTokenizer.fromText(corpus.pieces())
  const checkpoint = importStateDict(bytes, tokenizer, config)
  saveCheckpoint(options.out, {
    ...checkpoint,
    text: { sha256: corpus.sha256(), path: recordedPath(options.text), trainCharacters: corpus.trainCharacters },
  })
  console.log(`imported ${checkpoint.model.parameterCount() / 1e6} M parameters into ${options.out}`)
}
