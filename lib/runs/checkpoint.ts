/**
 * A checkpoint is a folder: `model.safetensors` with PyTorch's state_dict names and layouts, and `config.json` with the config, the
 * tokenizer, the weights' checksum, and which parts and which text the model was made with. Both are written atomically.
 */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../base/assertions'
import { CheckpointError, ConfigError, TextError, TrainingError } from '../base/errors'
import { writeFileAtomic } from '../base/files'
import { createStreams, type RandomStream } from '../engine/tensor/streams'
import { type Config, validateConfig } from '../makemoe/config'
import { SparseMoELanguageModel } from '../makemoe/model/language-model'
import type { StateDict } from '../makemoe/nn/state-tensors'
import type { Tokenizer, TokenizerKind } from '../makemoe/text/tokenizer'
import { nameOfTokenizer, restoreTokenizer } from '../makemoe/text/tokenizers'
import { checkSizes, findNotFinite, type HasWeights, loadStateDict, stateDictOf } from '../makemoe/train/state-dict'
import { matchParts, type Parts, type PartsFile, type PartsRecord } from './parts'
import { decodeSafetensors, encodeSafetensors } from './safetensors'

export const weightsFile = 'model.safetensors'
export const configFile = 'config.json'

const format = 'makemoe-2'

const schema = z.object({
  format: z.literal(format),
  /** Of a character tokenizer, in place of `tokenizer`. */
  vocabulary: z.array(z.string()).optional(),
  tokenizer: z.object({ name: z.string().optional(), state: z.unknown() }).optional(),
  config: z.record(z.string(), z.unknown()),
  /** The sha256 of the weights; absent where somebody made the folder by hand. */
  sha256: z.string().optional(),
  parts: z
    .object({ names: z.array(z.string()), file: z.string().optional(), sha256: z.string().optional(), imports: z.string().optional() })
    .optional(),
  text: z.object({ sha256: z.string(), path: z.string().optional(), trainCharacters: z.int().positive().optional() }).optional(),
  weightsOnly: z.string().optional(),
})

export const sha256Of = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** The text that a model learned from. */
export interface TextRecord {
  readonly sha256: string
  /** Absolute, or the name of a text that the setup brings; absent for the default text. */
  readonly path?: string | undefined
  /** How many characters, the first, were for training; absent where it is the usual share. */
  readonly trainCharacters?: number | undefined
}

/** What goes into a checkpoint. */
export interface CheckpointContents {
  readonly model: HasWeights
  readonly tokenizer: Tokenizer
  /** Complete, unless `weightsOnly`. */
  readonly config: Partial<Config>
  readonly parts?: PartsRecord | undefined
  readonly text?: TextRecord | undefined
  /** Why the commands cannot load it, for a model that is not lib's. */
  readonly weightsOnly?: string | undefined
}

/** A model with what is needed to use it. */
export interface Checkpoint extends CheckpointContents {
  readonly model: SparseMoELanguageModel
  readonly config: Config
}

/**
 * The files of a checkpoint, by name: weights first, so that a config is there only with its weights.
 * @throws TrainingError if a weight is not finite: nothing could use it
 */
export function checkpointFiles({
  model,
  tokenizer,
  config,
  parts,
  text,
  weightsOnly,
}: CheckpointContents): Record<string, string | Uint8Array> {
  const state = stateDictOf(model)
  const problem = findNotFinite(state)
  if (problem !== undefined) throw new TrainingError(`the weights are not finite: ${problem}`)
  const weights = encodeSafetensors(state, { format: 'pt' })
  const description = { format, config, text, parts, weightsOnly, ...recordOfTokenizer(tokenizer), sha256: sha256Of(weights) }
  return { [weightsFile]: weights, [configFile]: `${JSON.stringify(description, null, 2)}\n` }
}

/** What a config.json says of a tokenizer: of the usual one its vocabulary alone. */
function recordOfTokenizer(tokenizer: Tokenizer): Pick<Description, 'vocabulary' | 'tokenizer'> {
  const name = nameOfTokenizer(tokenizer)
  const state = tokenizer.state()
  return name === 'char' ? { vocabulary: state as string[] } : { tokenizer: { name, state } } // a CharTokenizer's state
}

/** @throws CheckpointError if it is one of a person's own, and not given; TextError if it is damaged */
const tokenizerOf = ({ vocabulary, tokenizer }: Description, own: TokenizerKind | undefined): Tokenizer =>
  restoreTokenizer(tokenizer ?? { name: 'char', state: vocabulary }, own)

/**
 * Writes a checkpoint into a folder.
 * @throws RunError if the disk does not take it; TrainingError if a weight is not finite
 */
export function saveCheckpoint(folder: string, contents: CheckpointContents): void {
  for (const [name, data] of Object.entries(checkpointFiles(contents))) writeFileAtomic(join(folder, name), data)
}

/** Reads a file. @throws CheckpointError */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new CheckpointError(`cannot read ${file}: ${messageOf(error)}`)
  }
}

/** Reads a JSON file. @throws CheckpointError */
export function readJson(file: string): unknown {
  const bytes = readBytes(file)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new CheckpointError(`${file} is not JSON`)
  }
}

type Description = z.infer<typeof schema>

function readDescription(folder: string): Description {
  if (!existsSync(folder)) throw new CheckpointError(`the checkpoint ${folder} is not there`)
  const path = join(folder, configFile)
  const parsed = schema.safeParse(readJson(path))
  if (parsed.success && (parsed.data.vocabulary ?? parsed.data.tokenizer)) return parsed.data
  throw new CheckpointError(`${path} is not a config of this project (expected format ${format}, config, vocabulary or tokenizer)`)
}

/** Which parts a checkpoint was made with, besides those that its config names. @throws CheckpointError */
export const partsOf = (folder: string): PartsRecord | undefined => readDescription(folder).parts

function readWeights(folder: string, { sha256 }: Description): StateDict {
  const file = join(folder, weightsFile)
  const bytes = readBytes(file)
  const state = decodeSafetensors(bytes)
  if (sha256 !== undefined && sha256Of(bytes) !== sha256)
    throw new CheckpointError(`${file} is damaged: its checksum differs from the one in ${configFile}`)
  checkFinite(file, state)
  return state
}

/** @throws CheckpointError if a value is not finite, as an earlier version saved what had diverged */
export function checkFinite(file: string, state: StateDict): void {
  const problem = findNotFinite(state)
  if (problem !== undefined)
    throw new CheckpointError(
      `${file} is of no use: ${problem}; the training had diverged. Remove its folder and use an earlier checkpoint`,
    )
}

/** The config and the tokenizer of a checkpoint. @throws CheckpointError */
function described(folder: string, description: Description, own: TokenizerKind | undefined): Pick<Checkpoint, 'config' | 'tokenizer'> {
  try {
    return { config: validateConfig(description.config), tokenizer: tokenizerOf(description, own) }
  } catch (error) {
    if (error instanceof ConfigError || error instanceof TextError)
      throw new CheckpointError(`${join(folder, configFile)}: ${error.message}`)
    throw error
  }
}

/**
 * What a checkpoint says of itself; its weights are not read.
 * @throws CheckpointError
 */
export function describeCheckpoint(folder: string, { tokenizer }: Parts = {}): Pick<Checkpoint, 'config' | 'tokenizer' | 'text'> {
  const description = readDescription(folder)
  return { ...described(folder, description, tokenizer), text: description.text }
}

/** A model by its config and parts; its weights are new. */
export function buildModel(config: Config, vocabSize: number, stream: RandomStream, parts: Parts = {}): SparseMoELanguageModel {
  const { optimizer: _optimizer, schedule: _schedule, tokenizer: _tokenizer, ...ofModel } = parts
  return new SparseMoELanguageModel({ ...config, vocabSize }, stream, ofModel)
}

/**
 * Reads a checkpoint folder.
 * @param parts those that the model was made with, if it was made with any of one's own
 * @param partsFile the file that they came from
 * @throws CheckpointError if it is not there, damaged, not a checkpoint of this project, or made with other parts
 */
export function loadCheckpoint(folder: string, parts: Parts = {}, partsFile?: PartsFile): Checkpoint {
  const description = readDescription(folder)
  const { weightsOnly, text, parts: record } = description
  if (weightsOnly !== undefined)
    throw new CheckpointError(`${folder} holds weights alone, for loadWeights(folder, model) in a notebook: ${weightsOnly}`)
  matchParts(folder, record, parts, partsFile)
  const { config, tokenizer } = described(folder, description, parts.tokenizer)
  const state = readWeights(folder, description)
  if (record === undefined) checkSizes(state, config, tokenizer.vocabSize)
  const model = buildModel(config, tokenizer.vocabSize, createStreams(config.seed).init, parts)
  loadStateDict(model, state)
  return { model, tokenizer, config, parts: record, text }
}

/**
 * Loads the weights of a checkpoint into a model of one's own that has the same names and shapes.
 * @param parts with the tokenizer, if it is one of a person's own
 * @returns what else the checkpoint holds: tokenizer, config, parts, text
 * @throws CheckpointError if a tensor is missing, of another shape, or left over
 */
export function loadWeights(folder: string, model: HasWeights, parts: Parts = {}): CheckpointContents {
  const description = readDescription(folder)
  loadStateDict(model, readWeights(folder, description))
  const { config, parts: record, text, weightsOnly } = description
  return {
    model,
    tokenizer: tokenizerOf(description, parts.tokenizer),
    config: config as Partial<Config>,
    parts: record,
    text,
    weightsOnly,
  }
}
