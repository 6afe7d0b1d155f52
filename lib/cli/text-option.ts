/**
 * The text that a command works on: its `--text` option, else the one that the checkpoint was trained on, else the default. `shakespeare` is
 * the complete plays, which are fetched when they are first asked for; they win over a file of that name (`./shakespeare`).
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { TextError } from '../base/errors'
import { isInstalled } from '../base/installed'
import { Corpus, loadCorpus } from '../makemoe/text/corpus'
import type { TextRecord } from '../runs/checkpoint'
import { paths } from './setup/paths'
import { setup } from './setup/setup'
import { shakespeareSha256, shakespeareTrainCharacters } from './setup/shakespeare'

/** What follows `--text` for the complete plays. */
const shakespeare = 'shakespeare'

/** The value of --text in a command's help. */
export const textDescription = (what: string, usual: string): string =>
  `${what}: a file, or ${shakespeare} for the complete plays (default: ${usual})`

/** Whether it means the complete plays: their name, or the file that the setup makes. */
const isShakespeare = (text: string | undefined): boolean =>
  text !== undefined && (text === shakespeare || resolve(text) === paths.shakespeare())

/**
 * Sets up what a command needs, the text among it; the command's own output stays clean.
 * @param text the option --text; false if the command needs no text
 */
export const setUpQuietly = (text: string | undefined | false): Promise<void> =>
  setup({ jupyter: false, text: text === undefined, shakespeare: text !== false && isShakespeare(text) }, (line) => console.error(line))

/**
 * The text, split as the recorded one if it is the same.
 * @throws TextError; SetupError if the plays cannot be fetched
 */
export async function corpusOf(options: { readonly text?: string | undefined }, recorded?: TextRecord): Promise<Corpus> {
  const file = options.text ?? recorded?.path
  const corpus = isShakespeare(file) ? await completePlays(file) : fileOf(file, options.text === undefined)
  const mayDiffer = recorded !== undefined && corpus.trainCharacters !== recorded.trainCharacters
  return mayDiffer && corpus.sha256() === recorded.sha256 ? corpus.splitAfter(recorded.trainCharacters) : corpus
}

async function completePlays(text: string | undefined): Promise<Corpus> {
  if (text === shakespeare && existsSync(shakespeare))
    console.error(`note: ${shakespeare} means the complete plays; the file of that name is ./${shakespeare}`)
  await setUpQuietly(shakespeare)
  const file = paths.shakespeare()
  const corpus = new Corpus(file, "Shakespeare's complete plays", shakespeareTrainCharacters)
  if (corpus.sha256() === shakespeareSha256) return corpus
  throw new TextError(
    `${file} is not what the setup made: its sha256 is ${corpus.sha256()}, expected ${shakespeareSha256}; remove it, and run this again`,
  )
}

function fileOf(file: string | undefined, isRecorded: boolean): Corpus {
  if (isRecorded && file !== undefined && !existsSync(file))
    throw new TextError(`the text that the run was trained on, ${file}, is not there any longer; say where it is with --text PATH`)
  return loadCorpus({
    defaultFile: paths.text(),
    defaultSource: isInstalled() ? 'Tiny Shakespeare' : 'data/input.txt',
    ...(file === undefined ? {} : { file }),
  })
}

/** Where a text is to be found again; undefined for the default one. */
export function recordedPath(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  return isShakespeare(text) ? shakespeare : resolve(text)
}

/** How a text differs from the recorded one, in words; undefined if it does not. */
export function textDifference(corpus: Corpus, recorded: TextRecord): string | undefined {
  const sha256 = corpus.sha256()
  if (sha256 === recorded.sha256) return undefined
  return `the text ${corpus.source} is not the one that the run was trained on: its sha256 is ${sha256.slice(0, 12)}, expected ${recorded.sha256.slice(0, 12)} (--text PATH names another file)`
}
