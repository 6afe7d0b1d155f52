/** `makemoe evaluate`: the exact loss of a checkpoint. */

import type { Command } from 'commander'
import { createStreams } from '../engine/tensor/streams'
import { datasetOf } from '../makemoe/text/dataset'
import { exactLoss, makeLossSum } from '../makemoe/train/evaluate'
import { loadCheckpoint } from '../runs/checkpoint'
import { checkpointIn } from '../runs/run-folder'
import { compiler } from './compiler'
import { addCheckpointOptions, addCommand, addEagerOption, type CheckpointOptions } from './options'
import { loadParts } from './parts'
import { corpusOf, setUpQuietly, textDescription, textDifference } from './text-option'
import { lineInPlace } from './throttled-log'

/** What to know about the loss of a model whose experts choose. */
export const lookingAhead =
  'note: the experts of this model choose tokens, later ones too: its losses are of a model that looks ahead, and it cannot write'

interface EvaluateOptions extends CheckpointOptions {
  readonly text?: string
  readonly json?: boolean
  readonly eager?: boolean
}

export function register(program: Command): void {
  const command = addCheckpointOptions(addCommand(program, 'evaluate', 'the exact mean cross-entropy over the whole validation split'))
    .option('--text <text>', textDescription('the text', 'the one it was trained on'))
    .option('--json', 'print one JSON object')
  addEagerOption(command).action(async (options: EvaluateOptions) => {
    await setUpQuietly(options.text)
    await evaluateCheckpoint(options)
  })
}

/** Prints the mean cross-entropy over the validation split, in nats and in bits per character. */
async function evaluateCheckpoint(options: EvaluateOptions): Promise<void> {
  const { parts, partsFile } = await loadParts(options.parts)
  const { model, tokenizer, config, text } = loadCheckpoint(checkpointIn(options.checkpoint), parts, partsFile)
  const corpus = await corpusOf(options, text)
  const difference = text && options.text === undefined ? textDifference(corpus, text) : undefined
  if (difference !== undefined) console.error(`note: ${difference}`)
  if (model.looksAhead()) console.error(lookingAhead)
  const dataset = datasetOf(tokenizer, corpus, config.blockSize)
  const compile = compiler(options.eager, () => {})
  const lossSum = compile(makeLossSum(model, { training: false, streams: createStreams(config.seed) }))
  const onProgress = (share: number): void => {
    lineInPlace.show(`${(100 * share).toFixed(0)} %`)
  }
  const result = exactLoss(lossSum, dataset, { tokenizer, ...(lineInPlace.isShown ? { onProgress } : {}) })
  lineInPlace.clear()
  if (options.json) console.log(JSON.stringify({ ...result, split: 'val', text: corpus.source }))
  else {
    const { nats, bitsPerCharacter, characters, tokens } = result
    const each = tokens === characters ? '' : ' per token'
    const inTokens = tokens === characters ? '' : ` (${tokens} tokens)`
    console.log(
      `validation loss ${nats.toFixed(4)} nats${each}, ${bitsPerCharacter.toFixed(4)} bits per character, over ${characters} characters${inTokens} of ${corpus.source}`,
    )
  }
}
