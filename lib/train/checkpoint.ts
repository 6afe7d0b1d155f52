/**
 * A checkpoint is a folder: `model.safetensors` with PyTorch's state_dict names and layouts, and `config.json` with the config, the
 * vocabulary and the weights' checksum. Files are written beside their place and renamed, so that a file is there whole or not at all.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Config, type ModelConfig, presets, validateConfig } from '../config'
import { CheckpointError, ConfigError, TextError } from '../errors'
import { writeFileWhole } from '../files'
import { SparseMoELanguageModel } from '../model/language-model'
import type { StateDict } from '../nn/module'
import { createStreams } from '../tensor/streams'
import { CharTokenizer } from '../text/char-tokenizer'
import { decodeSafetensors, encodeSafetensors } from './safetensors'

export const weightsFile = 'model.safetensors'
export const configFile = 'config.json'
const format = 'makemoe-1'

const configSchema = z.object({
  format: z.literal(format),
  vocabulary: z.array(z.string()),
  config: z.record(z.string(), z.unknown()),
  /** Of the weights; absent where somebody made the folder by hand. */
  sha256: z.string().optional(),
})

export const sha256Of = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** A model with what is needed to use it. */
export interface Checkpoint {
  readonly model: SparseMoELanguageModel
  readonly tokenizer: CharTokenizer
  readonly config: Config
}

/** The files of a checkpoint, by name: weights first, so that a config is there only with its weights. */
export function checkpointFiles({ model, tokenizer, config }: Checkpoint): Record<string, string | Uint8Array> {
  const state: StateDict = new Map()
  model.saveState(state)
  const weights = encodeSafetensors(state, { format: 'pt' })
  const description = { format, config, vocabulary: tokenizer.vocabulary, sha256: sha256Of(weights) }
  return { [weightsFile]: weights, [configFile]: `${JSON.stringify(description, null, 2)}\n` }
}

/**
 * Writes a checkpoint into a folder.
 * @throws RunError if the disk does not take it
 */
export function saveCheckpoint(folder: string, checkpoint: Checkpoint): void {
  for (const [name, data] of Object.entries(checkpointFiles(checkpoint))) writeFileWhole(join(folder, name), data)
}

/** Reads a file. @throws CheckpointError */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new CheckpointError(`cannot read ${file}: ${(error as Error).message}`)
  }
}

/** Reads a JSON file. @throws CheckpointError */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readBytes(file).toString('utf8'))
  } catch (error) {
    if (error instanceof CheckpointError) throw error
    throw new CheckpointError(`${file} is not JSON`)
  }
}

/** Puts a state_dict into a model; nothing may be missing and nothing left over. */
export function loadStateDict(model: SparseMoELanguageModel, state: StateDict): void {
  model.loadState(state)
  const [extra] = state.keys()
  if (extra !== undefined)
    throw new CheckpointError(`the checkpoint has ${state.size} tensors that the model has no place for, ${extra} for one`)
}

/**
 * Reads a checkpoint folder.
 * @throws CheckpointError if it is not there, damaged, or not a checkpoint of this project
 */
export function loadCheckpoint(folder: string): Checkpoint {
  if (!existsSync(folder)) throw new CheckpointError(`the checkpoint ${folder} is not there`)
  const path = join(folder, configFile)
  const parsed = configSchema.safeParse(readJson(path))
  if (!parsed.success) throw new CheckpointError(`${path} is not a config of this project (expected format ${format}, config, vocabulary)`)
  let config: Config
  let tokenizer: CharTokenizer
  try {
    config = validateConfig(parsed.data.config)
    tokenizer = new CharTokenizer(parsed.data.vocabulary)
  } catch (error) {
    if (error instanceof ConfigError || error instanceof TextError) throw new CheckpointError(`${path}: ${error.message}`)
    throw error
  }
  const weights = readBytes(join(folder, weightsFile))
  const state = decodeSafetensors(weights)
  if (parsed.data.sha256 !== undefined && sha256Of(weights) !== parsed.data.sha256)
    throw new CheckpointError(`${join(folder, weightsFile)} is damaged: its checksum differs from the one in ${configFile}`)
  checkSizes(state, config, tokenizer.vocabSize)
  const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, createStreams(config.seed).init)
  loadStateDict(model, state)
  return { model, tokenizer, config }
}

/** Refuses weights of another size before a model of the config's size is made. */
function checkSizes(state: StateDict, config: ModelConfig, vocabSize: number): void {
  const sizes = sizesOf(state)
  const expected = { ...config, vocabSize }
  for (const name of Object.keys(sizes) as (keyof StateDictSizes)[])
    if (sizes[name] !== expected[name])
      throw new CheckpointError(`the weights have ${name} ${sizes[name]}, the config says ${expected[name]}`)
}

/** The sizes that the shapes in a state_dict tell. */
export interface StateDictSizes {
  readonly vocabSize: number
  readonly nEmbed: number
  readonly blockSize: number
  readonly nHead: number
  readonly nLayer: number
  readonly numExperts: number
}

/**
 * Reads a model's sizes from the names and shapes of its tensors.
 * @throws CheckpointError if they are not those of makeMoE's model
 */
export function sizesOf(state: StateDict): StateDictSizes {
  const shapeOf = (name: string): readonly number[] => {
    const found = state.get(name)
    if (!found) throw new CheckpointError(`not a state_dict of makeMoE's model: the tensor ${name} is missing`)
    return found.shape
  }
  const highest = (pattern: RegExp): number => {
    let count = 0
    for (const name of state.keys()) count = Math.max(count, 1 + Number(pattern.exec(name)?.[1] ?? -1))
    return count
  }
  const [vocabSize = 0, nEmbed = 0] = shapeOf('token_embedding_table.weight')
  const [blockSize = 0] = shapeOf('position_embedding_table.weight')
  const nHead = highest(/^blocks\.0\.sa\.heads\.(\d+)\./)
  const numExperts = highest(/^blocks\.0\.smoe\.experts\.(\d+)\./)
  return { vocabSize, nEmbed, blockSize, nHead, nLayer: highest(/^blocks\.(\d+)\./), numExperts }
}

/**
 * A state_dict that was saved from makeMoE.py's model, as a checkpoint of ours. Sizes come from the shapes; what the shapes do not tell
 * comes from `options` and the `makemoe` preset.
 */
export function importStateDict(bytes: Uint8Array, tokenizer: CharTokenizer, options: Partial<Config> = {}): Checkpoint {
  const state = decodeSafetensors(bytes)
  const { vocabSize, ...sizes } = sizesOf(state)
  if (vocabSize !== tokenizer.vocabSize)
    throw new CheckpointError(`the weights are for ${vocabSize} characters, the text has ${tokenizer.vocabSize}`)
  const config = validateConfig({ ...presets.makemoe, ...options, ...sizes })
  const model = new SparseMoELanguageModel({ ...config, vocabSize }, createStreams(config.seed).init)
  loadStateDict(model, state)
  return { model, tokenizer, config }
}
