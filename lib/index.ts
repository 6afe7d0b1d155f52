/**
 * What a reader, a notebook or a person's own file needs of makeMoE.
 * @module makemoe
 */

// Config, errors, text
export { type Config, type ModelConfig, type TrainConfig, validateConfig } from './makemoe/config'
export { preset, presets } from './makemoe/presets'
export * from './base/errors'
export { ByteTokenizer } from './makemoe/text/byte-tokenizer'
export { CharTokenizer } from './makemoe/text/char-tokenizer'
export { loadCorpus } from './makemoe/text/corpus'
export { Dataset, datasetOf } from './makemoe/text/dataset'
export { encodeCorpus } from './makemoe/text/encode-corpus'
export type { Tokenizer, TokenizerKind } from './makemoe/text/tokenizer'
export { tokenizers } from './makemoe/text/tokenizers'
export { WordTokenizer } from './makemoe/text/word-tokenizer'

// Tensors, random streams, graphs
export { compile, type Compiled } from './engine/graph/compile'
export { readsStateOf } from './engine/graph/javascript-state'
export { customGradient } from './engine/tensor/custom-gradient'
export { op } from './engine/tensor/op'
export { concatRows, splitRows } from './engine/tensor/rows'
export { createStreams, RandomStream, type Streams } from './engine/tensor/streams'
export { type Tensor, tf, type Variable } from './engine/tensor/tf'
export { updateInPlace } from './engine/tensor/update-in-place'

// Layers
export { type Context, inLayer } from './makemoe/nn/context'
export { dropout } from './makemoe/nn/dropout'
export { Embedding } from './makemoe/nn/embedding'
export { type EarlierTokens, earlierIn, NgramEmbedding } from './makemoe/nn/ngram-embedding'
export { type Initializer, kaimingNormal, lecunNormal, normalInit, xavierNormal, zeros } from './makemoe/nn/initializers'
export { LayerNorm } from './makemoe/nn/layer-norm'
export { Linear } from './makemoe/nn/linear'
export { crossEntropy } from './makemoe/nn/loss'
export { norms } from './makemoe/nn/norms'
export { RmsNorm } from './makemoe/nn/rms-norm'
export { Module } from './makemoe/nn/module'
export { buffer, type NamedParameter, parameter } from './makemoe/nn/parameter'
export type { StateDict } from './makemoe/nn/state-tensors'

// Mixture of experts
export { switchLoss } from './makemoe/moe/balance/switch'
export { expertCapacity } from './makemoe/moe/capacity'
export type { MixtureContext } from './makemoe/moe/context'
export type {
  BalancingLoss,
  BalancingState,
  DropPolicy,
  ExpertModule,
  Make,
  MixtureConfig,
  RouterModule,
  Routing,
} from './makemoe/moe/contracts'
export { type Capacity, combine } from './makemoe/moe/dispatch'
export { Expert } from './makemoe/moe/expert/relu'
export { SwigluExpert } from './makemoe/moe/expert/swiglu'
export { balances, dropPolicies, experts, routers } from './makemoe/moe/parts'
export type { RoutingRecord } from './makemoe/moe/routing-record'
export { NoisyTopkRouter } from './makemoe/moe/router/noisy-topk'
export { SigmoidRouter } from './makemoe/moe/router/sigmoid'
export { topKGating } from './makemoe/moe/router/top-k-gating'
export { TopkRouter } from './makemoe/moe/router/topk'
export { SparseMoE, type SparseMoEOptions } from './makemoe/moe/sparse-moe'

// The language model
export { causalMask, MultiHeadAttention } from './makemoe/model/attention'
export { loadHeads, saveHeads } from './makemoe/model/heads'
export { type AttentionModule, Block, type MixtureModule } from './makemoe/model/block'
export { initializations, kaimingInit, type ModelInit, scaledInit, xavierInit } from './makemoe/model/initialization'
export type { ModelContext } from './makemoe/model/context'
export { SparseMoELanguageModel } from './makemoe/model/language-model'
export type { LanguageModelConfig, ModelParts } from './makemoe/model/model-parts'
export { generate, type GenerateOptions, type SamplingOptions } from './makemoe/model/sampler'

// Training, runs, checkpoints
export type { Tracker } from './runs/track/tracker'
export { trackers } from './runs/track/trackers'
export { loadCheckpoint, loadWeights, saveCheckpoint } from './runs/checkpoint'
export { estimateLoss, exactLoss } from './makemoe/train/evaluate'
export { importStateDict } from './runs/import'
export type { Metric, Reported } from './makemoe/train/metrics'
export { optimizers } from './makemoe/optim'
export { AdamW } from './makemoe/optim/adamw'
export { Lion } from './makemoe/optim/lion'
export { Muon } from './makemoe/optim/muon'
export { type MakeOptimizer, Optimizer } from './makemoe/optim/optimizer'
export { ParameterGroups } from './makemoe/optim/parameter-groups'
export type { Progress } from './makemoe/train/pace'
export type { Parts } from './runs/parts'
export { Run } from './runs/run'
export { resumeRun, startRun } from './runs/start-run'
export { loadStateDict, stateDictOf } from './makemoe/train/state-dict'
export { gradientsOf } from './makemoe/train/gradients'
export { type Schedule, schedules } from './makemoe/train/schedule'
export type { Loss } from './makemoe/train/step'
export { Trainer } from './makemoe/train/trainer'
export type { TrainerOptions } from './makemoe/train/trainer-options'

// The laboratory
export { knockOut } from './lab/knock-out'
export { inspect } from './lab/inspect'
export { inspectionPage } from './notebook/inspection-page'
export { type LayerObservation, observe } from './lab/observe'
export { compare, type CompareOptions } from './lab/compare'
export type { Measurement } from './lab/measurement'
export { type Comparison, readComparison } from './lab/comparison-file'
export { comparisonTable, summarize } from './lab/summary'
export { comparisons } from './lab/comparisons'
export type { Variant, Variants } from './lab/variants'
export { endCurves, study, type Study, type StudyOptions } from './lab/study'
export { tune, type Trial, tuningTable } from './lab/tuning'

// Pictures
export { modelPage } from './notebook/model-page'
export * from './show/plot/bars'
export * from './show/plot/capacity'
export * from './show/plot/characters'
export { comparisonView } from './notebook/comparison-view'
export { churnCurves, comparisonCurves, comparisonLosses, variantCurves } from './show/plot/comparison'
export { Display, show } from './notebook/display'
export type { Figure } from './show/plot/figure'
export { interruptSignal } from './base/interrupt'
export * from './show/plot/experts'
export * from './show/plot/heatmaps'
export * from './show/plot/losses'
export * from './show/plot/parameters'
export { publishedCurves } from './show/plot/published'
export { trainingView } from './notebook/training-view'
