/** `makemoe generate`: a trained model continues a prompt, character by character. */
import { at } from '../base/assertions'
import { ConfigError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import { generate, validateSampling } from '../makemoe/model/sampler'
import { loadCheckpoint } from '../runs/checkpoint'
import { checkpointIn } from '../runs/run-folder'
import { compiler } from './compiler'
import { loadParts } from './parts'

export interface GenerateTextOptions {
  readonly checkpoint: string
  readonly parts?: string
  readonly prompt?: string
  readonly tokens: number
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly seed: number
  readonly samples: number
  readonly likeMakemoe?: boolean
  readonly eager?: boolean
}

/** Streams one text, or prints several one after the other. */
export async function generateText(options: GenerateTextOptions): Promise<void> {
  const { tokens, temperature, samples, likeMakemoe = false } = options
  const sampling = { temperature, sampleTopK: options.topK, sampleTopP: options.topP }
  validateSampling(sampling)
  if (options.prompt === '') throw new ConfigError('prompt: got an empty text, expected at least one character')
  const { parts, partsFile } = await loadParts(options.parts)
  const { model, tokenizer } = loadCheckpoint(checkpointIn(options.checkpoint), parts, partsFile)
  const { vocabulary } = tokenizer
  const prompt = options.prompt ?? (vocabulary.includes('\n') ? '\n' : at(vocabulary, 0))
  const start = tokenizer.encode(prompt)
  const prompts = Array.from({ length: samples }, () => start)
  const texts = prompts.map(() => prompt)
  if (samples === 1) process.stdout.write(prompt)
  const streams = createStreams(options.seed)
  // The original's growing window would be traced anew for each of its lengths, so it stays eager.
  const makeStep = compiler(options.eager || likeMakemoe, () => {})
  for (const characters of generate(model, prompts, { tokens, streams, likeMakemoe, makeStep, ...sampling })) {
    for (const [s, id] of characters.entries()) texts[s] += tokenizer.decode([id])
    if (samples === 1) process.stdout.write(tokenizer.decode([at(characters, 0)]))
    await new Promise((resolve) => setImmediate(resolve)) // so that a terminal sees each character, and Ctrl-C is heard
  }
  if (samples === 1) process.stdout.write('\n')
  else for (const [s, text] of texts.entries()) console.log(`--- sample ${s + 1} ---\n${text}`)
}
