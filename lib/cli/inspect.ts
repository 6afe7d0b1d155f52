/** `makemoe inspect`: what the experts of a trained model do, as one HTML file. */
import { existsSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { ConfigError } from '../base/errors'
import { writeFileAtomic } from '../base/files'
import { createStreams } from '../engine/tensor/streams'
import { inspect } from '../lab/inspect'
import { datasetOf } from '../makemoe/text/dataset'
import { loadCheckpoint } from '../runs/checkpoint'
import { checkpointIn } from '../runs/run-folder'
import { renderInspection } from '../show/inspection/render'
import { compiler } from './compiler'
import { lookingAhead } from './evaluate'
import { natural } from './option-values'
import { addCheckpointOptions, addCommand, addEagerOption, type CheckpointOptions } from './options'
import { loadParts } from './parts'
import { withProgress } from './setup/progress'
import { corpusOf, setUpQuietly, textDescription, textDifference } from './text-option'

interface InspectCheckpointOptions extends CheckpointOptions {
  readonly out?: string
  readonly text?: string
  /** How much of the validation split; default: all. */
  readonly characters?: number
  readonly eager?: boolean
}

export function register(program: Command): void {
  const description = 'make one HTML file of what the experts of a trained model do, and of what is lost without each of them'
  const command = addCheckpointOptions(addCommand(program, 'inspect', description))
    .option('--out <file>', 'the page (default: inspect.html in the run folder)')
    .option('--text <text>', textDescription('the text whose validation split is observed', 'the one it was trained on'))
    .option('--characters <number>', 'a quick estimate from the first characters of the validation split (default: all, exact)', natural)
  addEagerOption(command).action(async (options: InspectCheckpointOptions) => {
    await setUpQuietly(options.text)
    await inspectCheckpoint(options)
  })
}

/**
 * Writes the page.
 * @throws CheckpointError, ConfigError, TextError before anything is measured
 */
async function inspectCheckpoint(options: InspectCheckpointOptions): Promise<void> {
  const { checkpoint, characters, out = join(checkpoint, 'inspect.html') } = options
  if (!/\.html?$/i.test(out)) throw new ConfigError(`out: got ${out}, expected a file that ends in .html`)
  const { parts, partsFile } = await loadParts(options.parts)
  const { model, tokenizer, config, text } = loadCheckpoint(checkpointIn(checkpoint), parts, partsFile)
  if (!existsSync(dirname(resolve(out)))) throw new ConfigError(`out: got ${out}, expected a file in a folder that is there`)
  const corpus = await corpusOf(options, text)
  const difference = text && options.text === undefined ? textDifference(corpus, text) : undefined
  if (difference !== undefined) console.error(`note: ${difference}`)
  if (model.looksAhead()) console.error(lookingAhead)
  const dataset = datasetOf(tokenizer, corpus, config.blockSize)
  const inspection = await withProgress(
    'inspect',
    (report) =>
      inspect(model, tokenizer, dataset, {
        streams: createStreams(config.seed),
        compile: compiler(options.eager, () => {}),
        folder: checkpoint,
        source: corpus.source,
        ...(characters === undefined ? {} : { characters }),
        onProgress: (doing, share) => report(doing, { done: 100 * share, total: 100, unit: '%' }),
      }),
    (line) => console.error(line),
  )
  const html = renderInspection(inspection, `What the experts of ${basename(resolve(checkpoint))} do`)
  writeFileAtomic(out, html)
  console.log(`${out}: ${(html.length / 1e6).toFixed(1)} MB, opens in any browser`)
}
