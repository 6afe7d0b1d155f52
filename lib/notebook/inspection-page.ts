/** The page of an inspection, for a notebook: written as a file, and an iframe of it for `show`. */

import { interruptSignal } from '../base/interrupt'
import { compile } from '../engine/graph/compile'
import { createStreams } from '../engine/tensor/streams'
import { type InspectedModel, type InspectOptions, inspect } from '../lab/inspect'
import type { Dataset } from '../makemoe/text/dataset'
import type { Tokenizer } from '../makemoe/text/tokenizer'
import { renderInspection } from '../show/inspection/render'
import type { HtmlView } from './display'
import { pageView } from './page-view'

/**
 * Inspects a model. With `characters: 10_000` a model of the default size takes about half a minute; without, all of the validation split
 * is measured. The page is written as `file` (default: inspect.html) in the notebook's folder, where Jupyter finds it.
 * @throws TensorError if no layer of the model can be observed
 */
export async function inspectionPage(
  model: InspectedModel,
  tokenizer: Tokenizer,
  dataset: Dataset,
  { file = 'inspect.html', title = 'What the experts do', ...options }: Partial<InspectOptions> & { file?: string; title?: string } = {},
): Promise<HtmlView> {
  const inspection = await inspect(model, tokenizer, dataset, {
    streams: createStreams(0),
    compile,
    source: 'the dataset',
    signal: interruptSignal(),
    ...options,
  })
  return pageView(file, renderInspection(inspection, title), title)
}
