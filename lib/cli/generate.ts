/** `makemoe generate`: a trained model continues a prompt, token by token. */
import type { Command } from 'commander'
import { at } from '../base/assertions'
import { ConfigError, TextError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import { generate, validateSampling } from '../makemoe/model/sampler'
import { decoderOf, encodeText, type Tokenizer } from '../makemoe/text/tokenizer'
import { loadCheckpoint } from '../runs/checkpoint'
import { checkpointIn } from '../runs/run-folder'
import { compiler } from './compiler'
import { natural, number, seed } from './option-values'
import { addCheckpointOptions, addCommand, addEagerOption, type CheckpointOptions } from './options'
import { loadParts } from './parts'
import { setUpQuietly } from './text-option'

interface GenerateTextOptions extends CheckpointOptions {
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

export function register(program: Command): void {
  const command = addCheckpointOptions(addCommand(program, 'generate', 'write text with a trained model'))
    .option('--prompt <text>', 'how the text begins (default: a new line)')
    .option('--tokens <number>', 'characters to write (tokens, where they are words or bytes)', natural, 500)
    .option('--temperature <number>', 'below 1 more greedy, above 1 more random, 0 greedy', number, 0.8)
    .option('--top-k <number>', 'sample from the K most likely characters only', natural)
    .option('--top-p <number>', 'sample from the smallest set with this probability (nucleus)', number)
    .option('--seed <number>', 'of the random numbers', seed, 1337)
    .option('--samples <number>', 'texts to write', natural, 1)
    .option('--like-makemoe', 'with dropout, routing noise and dropped tokens, as the original')
  addEagerOption(command).action(async (options: GenerateTextOptions) => {
    await setUpQuietly(false)
    await generateText(options)
  })
}

/** A new line, or where the text has none, the first token. */
export function usualPrompt(tokenizer: Tokenizer): string {
  try {
    encodeText(tokenizer, '\n')
    return '\n'
  } catch (error) {
    if (error instanceof TextError) return tokenizer.decode([0])
    throw error
  }
}

/** Streams one text, or prints several one after the other. */
async function generateText(options: GenerateTextOptions): Promise<void> {
  const { tokens, temperature, samples, likeMakemoe = false } = options
  const sampling = { temperature, sampleTopK: options.topK, sampleTopP: options.topP }
  validateSampling(sampling)
  if (options.prompt === '') throw new ConfigError('prompt: got an empty text, expected at least one character')
  const { parts, partsFile } = await loadParts(options.parts)
  const { model, tokenizer } = loadCheckpoint(checkpointIn(options.checkpoint), parts, partsFile)
  const prompt = options.prompt ?? usualPrompt(tokenizer)
  const start = Array.from(encodeText(tokenizer, prompt))
  const prompts = Array.from({ length: samples }, () => start)
  const texts = prompts.map(() => prompt)
  const decoders = prompts.map(() => decoderOf(tokenizer))
  if (samples === 1) process.stdout.write(prompt)
  const streams = createStreams(options.seed)
  // The original's growing window would be traced anew for each of its lengths, so it stays eager.
  const makeStep = compiler(options.eager || likeMakemoe, () => {})
  for (const ids of generate(model, prompts, { tokens, streams, likeMakemoe, makeStep, ...sampling })) {
    const written = Array.from(ids, (id, s) => at(decoders, s)([id]))
    for (const [s, text] of written.entries()) texts[s] += text
    if (samples === 1) process.stdout.write(at(written, 0))
    await new Promise((resolve) => setImmediate(resolve)) // so that a terminal sees each token, and Ctrl-C is heard
  }
  if (samples === 1) process.stdout.write('\n')
  else for (const [s, text] of texts.entries()) console.log(`--- sample ${s + 1} ---\n${text}`)
}
