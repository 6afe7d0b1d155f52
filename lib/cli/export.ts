/** `makemoe export`: a trained model as one HTML file that writes text and shows its experts at work, offline, in any browser. */

import { type Command, Option } from 'commander'
import { isOneOf } from '../base/assertions'
import { CheckpointError, ConfigError } from '../base/errors'
import { writeFileAtomic } from '../base/files'
import { inBits } from '../base/numbers'
import { partNamesOf } from '../makemoe/part-names'
import { datasetOf } from '../makemoe/text/dataset'
import { charactersOf } from '../makemoe/text/tokenizers'
import { pageOf } from '../notebook/model-page'
import { loadCheckpoint, partsOf } from '../runs/checkpoint'
import { checkpointIn } from '../runs/run-folder'
import type { Page } from '../show/page/page'
import type { Precision } from '../show/page/weights'
import { natural } from './option-values'
import { addCheckpointOptions, addCommand, type CheckpointOptions } from './options'
import { loadParts } from './parts'
import { corpusOf, setUpQuietly, textDescription } from './text-option'
import { lineInPlace } from './throttled-log'

export interface ExportOptions extends CheckpointOptions {
  readonly out: string
  readonly precision: Precision
  readonly text?: string
  readonly prompt?: string
  readonly characters: number
}

export function register(program: Command): void {
  const description = 'make one HTML file of a trained model: it writes in any browser, offline, and shows its experts at work'
  addCheckpointOptions(addCommand(program, 'export', description))
    .requiredOption('--out <file>', 'the page, for example model.html')
    .addOption(new Option('--precision <name>', 'of the weights').choices(['int8', 'fp16', 'fp32']).default('int8'))
    .option('--text <text>', textDescription('the text whose validation split is measured', 'the one it was trained on'))
    .option('--prompt <text>', 'how the text on the page begins')
    .option('--characters <number>', 'characters to measure', natural, 20_000)
    .action(async (options: ExportOptions) => {
      await setUpQuietly(options.text)
      await exportPage(options)
    })
}

/**
 * Writes the page and says what its precision costs.
 * @throws CheckpointError if there is no checkpoint, or one that the page's engine cannot run, with the reason
 */
export async function exportPage(options: ExportOptions): Promise<void> {
  const { precision, prompt, characters } = options
  if (!/\.html?$/i.test(options.out)) throw new ConfigError(`out: got ${options.out}, expected a file that ends in .html`)
  if (prompt === '') throw new ConfigError('prompt: got an empty text, expected at least one character')
  const folder = checkpointIn(options.checkpoint)
  const custom = partsOf(folder)?.names.filter((name) => isOneOf<string>(partNamesOf('architecture'), name)) ?? []
  if (custom.length > 0)
    throw new CheckpointError(
      `${folder} cannot become a page: it was made with parts passed by value (${custom.join(', ')}), and a page has only the routers and experts that lib/show/page/parts.ts knows by name`,
    )
  const { parts, partsFile } = await loadParts(options.parts)
  const { model, tokenizer, text } = loadCheckpoint(folder, parts, partsFile)
  const vocabulary = charactersOf(tokenizer, 'a page')
  const corpus = await corpusOf(options, text)
  const validation = datasetOf(tokenizer, corpus, model.config.blockSize).splits.val
  const onProgress = (share: number): void => {
    lineInPlace.show(`measuring ${(100 * share).toFixed(0)} %`)
  }
  let page: Page
  try {
    page = pageOf(model, vocabulary, {
      precision,
      validation,
      characters,
      ...(prompt === undefined ? {} : { prompt }),
      ...(lineInPlace.isShown ? { onProgress } : {}),
    })
  } catch (error) {
    throw error instanceof ConfigError ? new CheckpointError(`${folder}: ${error.message}`) : error
  } finally {
    lineInPlace.clear()
  }
  writeFileAtomic(options.out, page.html)
  const { validation: measured } = page.facts
  console.log(`${options.out}: ${(page.html.length / 1e6).toFixed(1)} MB, ${precision} weights`)
  if (!measured) return
  const cost = measured.loss - measured.lossInFull
  console.log(
    `loss of ${measured.characters} characters of validation text: ${measured.loss.toFixed(5)} nats (fp32: ${measured.lossInFull.toFixed(5)}, ${cost < 0 ? '' : '+'}${cost.toFixed(5)}; ${(100 * measured.choicesChanged).toFixed(2)} % of the choices of experts change), ${inBits(measured.loss)}`,
  )
}
