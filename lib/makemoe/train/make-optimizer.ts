/** The one place that makes an optimizer. */
import { type TrainConfig, withDefaults } from '../config'
import type { NamedParameter } from '../nn/parameter'
import { optimizers } from '../optim'
import { parseLearningRates, withLearningRates } from '../optim/learning-rates'
import type { MakeOptimizer, Optimizer } from '../optim/optimizer'

/** The optimizer that was passed in, or else the one that the config names, with the config's learning rates by role. */
export function makeOptimizer(
  { optimizer }: { readonly optimizer?: MakeOptimizer | undefined },
  config: TrainConfig,
  parameters: readonly NamedParameter[],
): Optimizer {
  const { learningRates, ...complete } = withDefaults(config)
  const make: MakeOptimizer = optimizer ?? optimizers[complete.optimizer]
  return withLearningRates(make, parseLearningRates(learningRates))(parameters, config)
}
