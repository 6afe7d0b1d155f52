/** The page of a model (lib/show/page), made from a model that computes with TensorFlow, and compared with it. */
import { messageOf } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { createStreams, disposeStreams } from '../engine/tensor/streams'
import { type Tensor, tf } from '../engine/tensor/tf'
import type { Context } from '../makemoe/nn/context'
import type { Tokenizer } from '../makemoe/text/tokenizer'
import { charactersOf } from '../makemoe/text/tokenizers'
import { makePage, type Page, type PageModel, type PageOptions } from '../show/page/page'
import { isNoisy } from '../show/page/parameters'
import type { HtmlView } from './display'
import { pageView } from './page-view'

/** A language model on TensorFlow that can go on a page; SparseMoELanguageModel is one. */
export type ShowableModel = PageModel & { forward(ids: Tensor, ctx: Context): Tensor }

/**
 * Makes the page of a model. The page's engine must compute what the model does; only a model with noise in evaluation is not compared.
 * @throws ConfigError that says why, if the engine cannot stand for this model
 */
export function pageOf(model: ShowableModel, vocabulary: readonly string[], options: PageOptions = {}): Page {
  const streams = createStreams(0)
  const reference = (ids: readonly number[]): Float32Array =>
    tf.tidy(() => {
      const logits = model.forward(tf.tensor2d([...ids], [1, ids.length], 'int32'), { training: false, streams })
      return Float32Array.from(logits.dataSync())
    })
  try {
    return makePage(model, vocabulary, isNoisy(model.config) ? options : { reference, ...options })
  } catch (error) {
    throw new ConfigError(`this model cannot become a page: ${messageOf(error)}`)
  } finally {
    disposeStreams(streams)
  }
}

/**
 * The page of a model, for a notebook: written as `file` (default: model.html), which lies in the notebook's folder, where Jupyter finds it,
 * and an iframe of it for `show`.
 * @throws ConfigError that says why, if the page's engine cannot stand for this model, or its tokens are not characters
 */
export function modelPage(
  model: ShowableModel,
  tokenizer: Tokenizer | { readonly vocabulary: readonly string[] },
  { file = 'model.html', characters = 4000, ...options }: PageOptions & { readonly file?: string } = {},
): HtmlView {
  const { html } = pageOf(model, charactersOf(tokenizer, 'a page'), { characters, ...options })
  return pageView(file, html, 'The model, writing')
}
