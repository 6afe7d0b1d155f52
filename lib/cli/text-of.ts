/** The text that a command works on, by its `--text` option. */
import { type Corpus, loadCorpus } from '../text/corpus'
import { paths } from './setup/paths'

/** @throws TextError */
export function textOf(options: { readonly text?: string }): Corpus {
  return loadCorpus({ defaultFile: paths.text(), ...(options.text === undefined ? {} : { file: options.text }) })
}
