/** What a run takes: what is trained, on what, and where its numbers go. */
import type { Streams } from '../engine/tensor/streams'
import type { Config, TrainConfig } from '../makemoe/config'
import type { Optimizer } from '../makemoe/optim/optimizer'
import type { Dataset } from '../makemoe/text/dataset'
import type { Tokenizer } from '../makemoe/text/tokenizer'
import type { Compile } from '../makemoe/train/compile'
import type { HasWeights } from '../makemoe/train/state-dict'
import type { Trainable } from '../makemoe/train/step'
import type { TrainerOptions } from '../makemoe/train/trainer-options'
import type { Parts, PartsFile } from './parts'
import type { OpenTrackerOptions } from './track/trackers'
import type { Worker } from './worker'

/** A language model that can be trained and saved. */
export type LanguageModel = Trainable & HasWeights

/** What starting and resuming have in common. */
export interface CommonOptions extends Omit<OpenTrackerOptions, 'config'> {
  readonly dataset: Dataset
  /** Parts of one's own that the model was made with; the optimizer is made from them too. */
  readonly parts?: Parts
  readonly partsFile?: PartsFile | undefined
  readonly optimizer?: Optimizer
  /** Default: one graph a step; the identity leaves it eager. */
  readonly compile?: Compile
  readonly reportInterval?: number
  /** Where the text came from, if it is not the default one: absolute. */
  readonly textPath?: string | undefined
  /** Of the text's UTF-8 bytes. Default: of what the dataset's token ids decode to, which is another text if the tokenizer loses something. */
  readonly textSha256?: string
  /** Newest checkpoints that stay, besides the best. Default: `keptCheckpoints`. */
  readonly keep?: number
  /** This process, where several train together. Default: `onlyWorker`. */
  readonly worker?: Worker | undefined
  /** Save a model that the commands cannot load: weights for another notebook. */
  readonly weightsOnly?: boolean
}

/** What `startRun` takes. */
export interface RunOptions<Model extends LanguageModel = LanguageModel> extends CommonOptions {
  readonly model: Model
  /** What the dataset was encoded with; one that is not lib's is recorded as the part `tokenizer`. */
  readonly tokenizer: Tokenizer
  /** How to train, and, unless the model is lib's, every field of its own config: the commands build the model from it. */
  readonly config: TrainConfig & Partial<Config>
  readonly streams: Streams
}

/** What `resumeRun` takes. */
export interface ResumeOptions<Model extends LanguageModel | undefined = LanguageModel | undefined> extends CommonOptions {
  /** Takes the weights over; default: the model that the checkpoint describes. */
  readonly model?: Model
  /** Those that the model uses, if it is given; default: new ones of the run's seed. */
  readonly streams?: Streams
  /** More steps. */
  readonly steps?: number
}

/** Steps between checkpoints. */
export const stepsBetweenCheckpoints = 500

/** What `Run.train` takes. */
export interface TrainingOptions extends Pick<TrainerOptions, 'onMetric' | 'onProgress' | 'signal'> {
  /** How many in all; default: the config's. */
  readonly steps?: number
  /** Default: `stepsBetweenCheckpoints`. */
  readonly checkpointEvery?: number
}
