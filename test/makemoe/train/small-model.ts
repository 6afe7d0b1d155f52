/** A small model on a short text, which the tests of training and of runs share. */
import { CharTokenizer, type Config, createStreams, Dataset, presets, SparseMoELanguageModel } from 'makemoe'

export const text = 'the quick brown fox jumps over the lazy dog. '.repeat(40)
export const tokenizer = CharTokenizer.fromText(text)
export const config: Config = {
  ...presets.corrected,
  nEmbed: 16,
  nHead: 2,
  nLayer: 2,
  blockSize: 8,
  numExperts: 4,
  steps: 30,
  batchSize: 4,
  evalInterval: 10,
  evalIters: 3,
}
export const setUp = (change: Partial<Config> = {}, seed = 1) => {
  const all = { ...config, ...change }
  const streams = createStreams(seed)
  const model = new SparseMoELanguageModel({ ...all, vocabSize: tokenizer.vocabSize }, streams.init)
  return { model, streams, dataset: new Dataset(tokenizer.encode(text), all.blockSize), config: all }
}
