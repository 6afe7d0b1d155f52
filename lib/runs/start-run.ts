/** Starting a run in a new folder, and resuming one from its newest checkpoint: everything is checked before anything is written. */
import { CheckpointError, ConfigError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import { checkTrainFields, type ModelConfig, type TrainConfig, trainFields, validateConfig } from '../makemoe/config'
import { SparseMoELanguageModel } from '../makemoe/model/language-model'
import { presets } from '../makemoe/presets'
import { checkTokenizer, type Tokenizer } from '../makemoe/text/tokenizer'
import { nameOfTokenizer } from '../makemoe/text/tokenizers'
import { findNotFinite, stateDictOf } from '../makemoe/train/state-dict'
import { loadWeights, type TextRecord } from './checkpoint'
import { whyNotLoadable } from './loadable'
import { type PartsRecord, recordOf } from './parts'
import { Run } from './run'
import { folderOfAnother, loadResumable, loadTrainingState, RunFolder } from './run-folder'
import type { CommonOptions, LanguageModel, ResumeOptions, RunOptions } from './run-options'
import { recordOfText } from './text-record'
import { onlyWorker } from './worker'

/**
 * Starts a run in a new folder.
 * @throws ConfigError, RunError before anything is written; CheckpointError if the commands could not load the model again
 */
export function startRun<Model extends LanguageModel>(path: string, options: RunOptions<Model>): Run<Model> {
  const { model, tokenizer, dataset, streams, parts = {}, weightsOnly = false, worker = onlyWorker } = options
  const config = model instanceof SparseMoELanguageModel ? { ...configOf(model), ...options.config } : options.config
  checkTokenizer(tokenizer)
  checkTrainFields(options.config)
  const problem = findNotFinite(stateDictOf(model))
  if (problem !== undefined)
    throw new ConfigError(`model: ${problem}, expected finite numbers alone, before the first step too (a mask can have -1e9)`)
  const reason = whyNotLoadable(model, config, tokenizer.vocabSize, parts)
  if (reason !== undefined && !weightsOnly)
    throw new CheckpointError(`the commands could not load this model again: ${reason} (weightsOnly: true saves it all the same)`)
  if (options.streams.data.key !== createStreams(config.seed).data.key)
    throw new ConfigError(`streams: got those of another seed, expected createStreams(${config.seed}), which a resumed run draws from`)
  const text = { ...recordOfText(dataset, tokenizer, options.textSha256), path: options.textPath }
  const share = worker.share({ model, dataset, streams, config, facts: factsOf(text, options, 'start') })
  const folder = worker.leads ? RunFolder.create(path) : folderOfAnother(path)
  try {
    return new Run(folder, { model, tokenizer, config, text, parts: recordParts(options, tokenizer), weightsOnly: reason }, config, {
      ...options,
      ...share,
    })
  } catch (error) {
    folder.discard()
    throw error
  }
}

/**
 * Resumes a run from its newest checkpoint.
 * @throws CheckpointError if it is damaged, or of another model, text or parts; RunError if another process has the folder
 */
export function resumeRun<Model extends LanguageModel>(path: string, options: ResumeOptions<Model> & { readonly model: Model }): Run<Model>
export function resumeRun(path: string, options: ResumeOptions<undefined>): Run<SparseMoELanguageModel>
export function resumeRun(path: string, options: ResumeOptions): Run {
  const { model, parts, partsFile } = options
  const training = loadTrainingState(path)
  const loaded = model ? { ...loadWeights(training.path, model, parts), model } : loadResumable(path, parts, partsFile)
  const { dataset, steps, worker = onlyWorker } = options
  const text = recordOfText(dataset, loaded.tokenizer, options.textSha256)
  if (text.sha256 !== training.textSha256) throw new CheckpointError(`${path} was trained on another text than the dataset's`)
  const { trainCharacters } = loaded.text ?? {}
  if (text.trainCharacters !== trainCharacters) {
    const part = (count: number | undefined): string => (count === undefined ? 'the first 90 %' : `the first ${count} characters`)
    throw new CheckpointError(
      `${path} was trained on ${part(trainCharacters)} of its text, the dataset has ${part(text.trainCharacters)} for training`,
    )
  }
  const ofTraining = Object.fromEntries(trainFields.map((name) => [name, loaded.config[name]]))
  const config: TrainConfig = validateConfig({ ...presets.default, ...ofTraining, ...(steps === undefined ? {} : { steps }) })
  const streams = options.streams ?? createStreams(config.seed)
  const facts = factsOf(text, options, `step ${training.state.step}`)
  const whole = { ...loaded.config, ...(steps === undefined ? {} : { steps }) }
  const share = worker.share({ model: loaded.model, dataset, streams, config: whole, facts })
  const folder = worker.leads ? RunFolder.open(path) : folderOfAnother(path)
  return new Run(folder, { ...loaded, config: whole }, config, { ...options, ...share }, training.state)
}

/** What must be the same in all processes that train together, besides the config. */
function factsOf({ sha256, trainCharacters }: TextRecord, { partsFile }: CommonOptions, begin: string): Record<string, string> {
  const text = trainCharacters === undefined ? sha256 : `${sha256}, ${trainCharacters} characters for training`
  return { text, parts: partsFile ? [partsFile.sha256, partsFile.imports ?? []].flat().join() : 'none', begin }
}

function configOf({ config: { vocabSize: _vocabSize, ...config } }: SparseMoELanguageModel): ModelConfig {
  return config
}

/** An optimizer or a tokenizer of one's own is a part like others. */
function recordParts({ parts = {}, partsFile, optimizer }: CommonOptions, tokenizer: Tokenizer): PartsRecord | undefined {
  const own = { ...(optimizer ? { optimizer } : {}), ...(nameOfTokenizer(tokenizer) === undefined ? { tokenizer } : {}) }
  return recordOf([parts, own], partsFile)
}
