/** The one place that makes an optimizer. */
import { type TrainConfig, withDefaults } from '../config'
import type { NamedParameter } from '../nn/module'
import { optimizers } from '../optim'
import type { MakeOptimizer, Optimizer } from '../optim/optimizer'

/** The optimizer that was passed in, or else the one that the config names. */
export function makeOptimizer(
  { optimizer }: { readonly optimizer?: MakeOptimizer | undefined },
  config: TrainConfig,
  parameters: readonly NamedParameter[],
): Optimizer {
  const make: MakeOptimizer = optimizer ?? optimizers[withDefaults(config).optimizer]
  return make(parameters, config)
}
