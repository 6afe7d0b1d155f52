/** A small model on a text with characters that a page must escape, for what looks into models. Made for each file of tests. */
import { CharTokenizer, createStreams, Dataset, SparseMoELanguageModel, validateConfig } from 'makemoe'
import { twoLayers } from '../support'

export const text = 'First Citizen:\nSpeak, <b> & be "heard"!\n\n'.repeat(40)

export function makeInspected() {
  const tokenizer = CharTokenizer.fromText(text)
  const config = validateConfig({ ...twoLayers, nEmbed: 16, blockSize: 16, nLayer: 2, batchSize: 4, steps: 9, evalIters: 1 })
  const streams = createStreams(config.seed)
  const dataset = new Dataset(tokenizer.encode(text), config.blockSize)
  return {
    tokenizer,
    config,
    streams,
    dataset,
    model: new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init),
  }
}
