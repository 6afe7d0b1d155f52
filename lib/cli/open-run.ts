/** The run that the command `train` starts, or the one that it resumes. */
import { rmSync } from 'node:fs'
import { keysOf } from '../base/assertions'
import { CheckpointError, ConfigError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import type { Config } from '../makemoe/config'
import type { SparseMoELanguageModel } from '../makemoe/model/language-model'
import { parseLearningRates } from '../makemoe/optim/learning-rates'
import { roleOf } from '../makemoe/optim/roles'
import { CharTokenizer } from '../makemoe/text/char-tokenizer'
import type { Corpus } from '../makemoe/text/corpus'
import { datasetOf } from '../makemoe/text/dataset'
import { nameOfTokenizer, type TokenizerName, tokenizers } from '../makemoe/text/tokenizers'
import { buildModel, type Checkpoint, describeCheckpoint } from '../runs/checkpoint'
import type { Parts } from '../runs/parts'
import type { Run } from '../runs/run'
import { loadTrainingState } from '../runs/run-folder'
import type { RunOptions } from '../runs/run-options'
import { resumeRun, startRun } from '../runs/start-run'
import { readRunRecord } from '../runs/track/run-record'
import { newRunPath } from './setup/paths'
import { recordedPath, textDifference } from './text-option'

/**
 * Refuses a learning rate for parameters that the model does not have.
 * @throws ConfigError that names their role, and those that there are
 */
function requireRoles({ learningRates = 'none' }: Config, model: SparseMoELanguageModel): void {
  const had = new Set(model.namedParameters().map(roleOf))
  const idle = parseLearningRates(learningRates).find(({ name }) => !had.has(name))
  if (idle)
    throw new ConfigError(`learningRates: got ${idle.name}, of which this model has no parameters, expected some of ${[...had].join(', ')}`)
}

/** What a run needs besides what it trains. */
type CommonOptions = Pick<
  RunOptions,
  'parts' | 'partsFile' | 'tags' | 'tracker' | 'compile' | 'warn' | 'reportInterval' | 'keep' | 'worker'
>

/**
 * Refuses to resume a run with another config: steps alone may change.
 * @throws ConfigError that names the field and both values
 */
function requireSameConfig(saved: Config, given: Partial<Config>): void {
  for (const name of keysOf(given))
    if (name !== 'steps' && given[name] !== saved[name])
      throw new ConfigError(`${name}: got ${given[name]}, but the run to resume has ${saved[name]}`)
}

/** What a new run takes from the command's options. */
interface NewRunOptions {
  readonly preset: string
  readonly text?: string
  readonly tokenizer?: TokenizerName
  readonly out?: string
}

/** A new run. */
export function openNewRun(config: Config, corpus: Corpus, options: NewRunOptions, common: CommonOptions): Run<SparseMoELanguageModel> {
  const kind = common.parts?.tokenizer ?? tokenizers[options.tokenizer ?? 'char']
  const tokenizer = kind.fromText(corpus.pieces())
  const dataset = datasetOf(tokenizer, corpus, config.blockSize)
  const streams = createStreams(config.seed)
  const model = buildModel(config, tokenizer.vocabSize, streams.init, common.parts)
  requireRoles(config, model)
  const tokens = dataset.splits.train.length + dataset.splits.val.length
  const size = tokenizer instanceof CharTokenizer ? `${tokens} characters` : `${corpus.characterCount()} characters, ${tokens} tokens`
  common.warn?.(`text: ${corpus.source}, ${size}, ${tokenizer.vocabSize} different`)
  common.warn?.(`parameters: ${model.parameterCount() / 1e6} M (${model.activeParameterCount() / 1e6} M active per token)`)
  const path = options.out ?? (common.worker?.leads ? newRunPath(options.preset, config.seed) : '')
  try {
    return startRun(path, {
      ...common,
      model,
      tokenizer,
      dataset,
      config,
      streams,
      textPath: recordedPath(options.text),
      textSha256: corpus.sha256(),
    })
  } catch (error) {
    if (options.out === undefined && path !== '') rmSync(path, { recursive: true, force: true }) // newRunPath made it for this run alone
    throw error
  }
}

/** What is read of a run before it is resumed. */
export interface SavedRun extends Pick<Checkpoint, 'config' | 'tokenizer' | 'text'> {
  readonly step: number
  readonly textSha256: string
}

/** The run to resume. @throws CheckpointError, ConfigError */
export function savedRun(folder: string, given: Partial<Config>, parts: Parts, wanted: TokenizerName | undefined): SavedRun {
  const { path, state, textSha256 } = loadTrainingState(folder)
  const described = describeCheckpoint(path, parts)
  const tokenizer = nameOfTokenizer(described.tokenizer) ?? "a person's own"
  if (wanted !== undefined && wanted !== tokenizer)
    throw new ConfigError(`tokenizer: got ${wanted}, but the run to resume has ${tokenizer}`)
  requireSameConfig(described.config, given)
  const { steps } = { ...described.config, ...given }
  // A run may have been killed after its last step, before its weights and its sample were written: then only that is left to do.
  const { step } = state
  if (step > steps || (step === steps && readRunRecord(folder).status === 'FINISHED'))
    throw new ConfigError(`steps: got ${steps}, but the run in ${folder} has made ${step} already (--steps sets more)`)
  return { ...described, step, textSha256 }
}

/** A run that is resumed, on the text that it learned from. */
export function openSavedRun(
  folder: string,
  saved: SavedRun,
  corpus: Corpus,
  steps: number,
  common: CommonOptions,
): Run<SparseMoELanguageModel> {
  const { config, tokenizer, textSha256 } = saved
  const difference = textDifference(corpus, { sha256: textSha256 })
  if (difference !== undefined) {
    const sizes = (run: CharTokenizer): string =>
      `; it has ${CharTokenizer.fromText(corpus.pieces()).vocabSize} characters, the run's ${run.vocabSize}`
    throw new CheckpointError(`${difference}${tokenizer instanceof CharTokenizer ? sizes(tokenizer) : ''}`)
  }
  const dataset = datasetOf(tokenizer, corpus, config.blockSize)
  return resumeRun(folder, { ...common, dataset, steps, textSha256 })
}
