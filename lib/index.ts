/** Every public name of makeMoE. */
export {
  type Config,
  type ConfigField,
  configFields,
  type ModelConfig,
  type PresetName,
  preset,
  presets,
  type TrainConfig,
  validateConfig,
} from './config'
export {
  CheckpointError,
  ConfigError,
  MakemoeError,
  RunError,
  SetupError,
  ShapeError,
  TextError,
  TraceError,
  TrainingError,
} from './errors'
export { lockFile, writeFileWhole, writeFolderWhole } from './files'
export { type Compiled, type CompileOptions, compile } from './graph/compile'
export { defaultThreads, type Threads } from './graph/runtime'
export { type AttentionOptions, type AttentionScale, causalMask, MultiHeadAttention } from './model/attention'
export { Block } from './model/block'
export { kaimingInit, type ModelInit, scaledInit } from './model/initialisation'
export { type LanguageModelConfig, type ModelComponents, SparseMoELanguageModel } from './model/language-model'
export {
  filterLogits,
  type GenerateOptions,
  generate,
  type NextCharacter,
  nextCharacter,
  type SamplingOptions,
  validateSampling,
} from './model/sampler'
export { expertCapacity } from './moe/capacity'
export { type Capacity, collectRows, combine, type DispatchPlan, dispatchRows, planDispatch } from './moe/dispatch'
export { Expert, type ExpertModule } from './moe/expert'
export { type NoiseMode, NoisyTopkRouter, noisyScores, type RouterModule, type Routing, TopkRouter, topKGating } from './moe/router'
export { SparseMoE, type SparseMoEOptions } from './moe/sparse-moe'
export type { Context, RoutingRecord } from './nn/context'
export { applyMask, dropout, dropoutMask } from './nn/dropout'
export { Embedding } from './nn/embedding'
export { inHalves } from './nn/halves'
export { type Initializer, kaimingNormal, lecunNormal, normalInit, uniformBias, xavierNormal, zeros } from './nn/init'
export { LayerNorm, layerNorm } from './nn/layer-norm'
export { Linear, type LinearOptions } from './nn/linear'
export { crossEntropy, crossEntropyRows } from './nn/loss'
export {
  assignParameter,
  Module,
  type NamedParameter,
  parameter,
  type StateDict,
  type StateTensor,
  takeState,
  transposed,
} from './nn/module'
export {
  bars,
  characterFrequencies,
  droppedTokens,
  expertLoad,
  factorSweep,
  type LossCurve,
  lossCurves,
  routingNoise,
  type SweepPoint,
  smoothed,
} from './plot/charts'
export { Display, interruptSignal, show, showDrawing } from './plot/display'
export {
  type ArchitectureSizes,
  architectureDrawing,
  attentionDrawing,
  capacityDrawing,
  noisyTopKDrawing,
  sparseMoEDrawing,
  topKDrawing,
} from './plot/drawings'
export { colour, type Figure, layout, pale, palette, visible } from './plot/figure'
export { figurePage } from './plot/html'
export { attentionHeatmap, capacityGrid, characterExpertMap, gatesHeatmap, parameterMap, textByExpert } from './plot/maps'
export { publishedCurves } from './plot/published'
export { describeProgress, type TrainingView, trainingView } from './plot/training-view'
export { customGradient, type WithGradient } from './tensor/custom-gradient'
export { type AttributeValue, composite, multiOp, op, type RunOp } from './tensor/op'
export { concatRows, splitRows } from './tensor/rows'
export { createStreams, RandomStream, type StreamName, type Streams, streamNames } from './tensor/streams'
export { type Tensor, tf, type Variable } from './tensor/tf'
export { CharTokenizer } from './text/char-tokenizer'
export { type Corpus, downloadTinyShakespeare, loadCorpus, readTextFile, tinyShakespeareSha256 } from './text/corpus'
export { type Batch, Dataset, type Split } from './text/dataset'
export {
  MlflowSync,
  MlflowTracker,
  type MlflowTrackerOptions,
  type OpenTrackerOptions,
  openTracker,
  type RunDescription,
  readRunDescription,
  writeRunDescription,
} from './track/mlflow'
export { MlflowClient, MlflowError, type MlflowServer, mlflowServer } from './track/mlflow-client'
export { JsonLinesTracker, type Metrics, noTracker, type RunStatus, type Tracker } from './track/tracker'
export { AdamW, type AdamWOptions, type Optimizer } from './train/adamw'
export {
  type Checkpoint,
  importStateDict,
  loadCheckpoint,
  loadStateDict,
  type StateDictSizes,
  saveCheckpoint,
  sizesOf,
} from './train/checkpoint'
export { type EstimateOptions, type ExactLoss, estimateLoss, exactLoss, inBranches, makeLossSum } from './train/evaluate'
export { checkpointIn, loadResumable, newestCheckpoint, type ResumableCheckpoint, RunFolder } from './train/run-folder'
export { decodeSafetensors, encodeSafetensors } from './train/safetensors'
export { learningRateAt } from './train/schedule'
export {
  gradientsOf,
  type Loss,
  makeReportingStep,
  makeTrainStep,
  type ReportingStep,
  type StepReport,
  type Trainable,
} from './train/step'
export { type Compile, type Metric, type Progress, Trainer, type TrainerOptions, type TrainingState } from './train/trainer'
