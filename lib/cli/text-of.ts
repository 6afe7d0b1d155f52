/** The text that a command works on: its `--text` option, else the one that the checkpoint was trained on, else the default. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { TextError } from '../base/errors'
import { isInstalled } from '../base/installed'
import { type Corpus, loadCorpus } from '../makemoe/text/corpus'
import type { TextRecord } from '../runs/checkpoint'
import { paths } from './setup/paths'

/** @throws TextError */
export function textOf(options: { readonly text?: string | undefined }, recorded?: TextRecord): Corpus {
  const file = options.text ?? recorded?.path
  if (options.text === undefined && file !== undefined && !existsSync(file))
    throw new TextError(`the text that the run was trained on, ${file}, is not there any longer; say where it is with --text PATH`)
  return loadCorpus({
    defaultFile: paths.text(),
    defaultSource: isInstalled() ? 'Tiny Shakespeare' : 'data/input.txt',
    ...(file === undefined ? {} : { file }),
  })
}

/** Where a text is to be found again; undefined for the default one. */
export const recordedPath = (text: string | undefined): string | undefined => (text === undefined ? undefined : resolve(text))

/** How a text differs from the recorded one, in words; undefined if it does not. */
export function textDifference(corpus: Corpus, recorded: TextRecord): string | undefined {
  const sha256 = corpus.sha256()
  if (sha256 === recorded.sha256) return undefined
  return `the text ${corpus.source} is not the one that the run was trained on: its sha256 is ${sha256.slice(0, 12)}, expected ${recorded.sha256.slice(0, 12)} (--text PATH names another file)`
}
