/** What a reader, a notebook or a person's own file needs of makeMoE. What only lib's tests need besides is in internals.ts. */

// Config, errors, text
export { type Config, type ModelConfig, preset, presets, type TrainConfig, validateConfig } from './config'
export * from './errors'
export { CharTokenizer } from './text/char-tokenizer'
export { loadCorpus } from './text/corpus'
export { Dataset } from './text/dataset'

// Tensors, random streams, graphs
export { compile, type Compiled } from './graph/compile'
export { customGradient } from './tensor/custom-gradient'
export { op } from './tensor/op'
export { concatRows, splitRows } from './tensor/rows'
export { createStreams, RandomStream, type Streams } from './tensor/streams'
export { type Tensor, tf, type Variable } from './tensor/tf'
export { updateInPlace } from './tensor/update-in-place'

// Layers
export { type Context, inLayer, type RoutingRecord } from './nn/context'
export { dropout } from './nn/dropout'
export { Embedding } from './nn/embedding'
export { type Initializer, kaimingNormal, lecunNormal, normalInit, xavierNormal, zeros } from './nn/initializers'
export { LayerNorm } from './nn/layer-norm'
export { Linear } from './nn/linear'
export { crossEntropy } from './nn/loss'
export { buffer, Module, type NamedParameter, parameter, type StateDict } from './nn/module'

// Mixture of experts
export { switchLoss } from './moe/balance/switch'
export { expertCapacity } from './moe/capacity'
export type { BalancingLoss, BalancingState, DropPolicy, ExpertModule, Make, MixtureConfig, RouterModule, Routing } from './moe/contracts'
export { type Capacity, combine } from './moe/dispatch'
export { Expert } from './moe/expert/relu'
export { SwigluExpert } from './moe/expert/swiglu'
export { balances, dropPolicies, experts, routers } from './moe/parts'
export { NoisyTopkRouter } from './moe/router/noisy-topk'
export { SigmoidRouter } from './moe/router/sigmoid'
export { topKGating } from './moe/router/top-k-gating'
export { TopkRouter } from './moe/router/topk'
export { SparseMoE, type SparseMoEOptions } from './moe/sparse-moe'

// The language model
export { causalMask, loadHeads, MultiHeadAttention, saveHeads } from './model/attention'
export { type AttentionModule, Block, type MixtureModule } from './model/block'
export { kaimingInit, type ModelInit, scaledInit } from './model/initialization'
export { type LanguageModelConfig, type ModelParts, SparseMoELanguageModel } from './model/language-model'
export { generate, type GenerateOptions, type SamplingOptions } from './model/sampler'

// Training, runs, checkpoints
export type { Metrics, Tracker } from './track/tracker'
export { trackers } from './track/trackers'
export { loadCheckpoint, loadWeights, saveCheckpoint } from './train/checkpoint'
export { estimateLoss, exactLoss } from './train/evaluate'
export { importStateDict } from './train/import'
export type { Metric } from './train/metrics'
export { optimizers } from './train/optimizers'
export { AdamW } from './train/optimizers/adamw'
export { Lion } from './train/optimizers/lion'
export { type MakeOptimizer, Optimizer } from './train/optimizers/optimizer'
export type { Progress } from './train/pace'
export type { Parts } from './train/parts'
export { resumeRun, Run, startRun } from './train/run'
export { loadStateDict, stateDictOf } from './train/state-dict'
export { gradientsOf, type Loss } from './train/step'
export { Trainer, type TrainerOptions } from './train/trainer'

// The laboratory
export { knockOut } from './lab/knock-out'
export { inspect } from './lab/inspect'
export { inspectionPage } from './lab/inspection-page'
export { type LayerObservation, observe } from './lab/observe'
export { compare, type CompareOptions, type Measurement } from './lab/compare'
export { type Comparison, readComparison } from './lab/comparison-file'
export { comparisonTable, summarize } from './lab/summary'
export { comparisons, type Variant, type Variants } from './lab/variants'

// Pictures
export { modelPage } from './plot/model-page'
export * from './plot/charts'
export { comparisonCurves, comparisonLosses, comparisonView, variantCurves } from './plot/comparison'
export { Display, show, showDrawing } from './plot/display'
export * from './plot/drawings'
export type { Figure } from './plot/figure'
export { interruptSignal } from './plot/interrupt'
export * from './plot/maps'
export { publishedCurves } from './plot/published'
export { trainingView } from './plot/training-view'
