/** One training of one variant: its random streams, model and trainer, made and freed together. */

import { createStreams, disposeStreams, type Streams } from '../engine/tensor/streams'
import type { Config } from '../makemoe/config'
import type { Dataset } from '../makemoe/text/dataset'
import { makeOptimizer } from '../makemoe/train/make-optimizer'
import { Trainer } from '../makemoe/train/trainer'
import type { TrainerOptions } from '../makemoe/train/trainer-options'
import { buildModel } from '../runs/checkpoint'
import type { Variant } from './variants'

export interface VariantTraining {
  readonly streams: Streams
  readonly model: ReturnType<typeof buildModel>
  readonly trainer: Trainer
  dispose(): void
}

/** @param config the variant's own, with its changes */
export function openTraining(
  config: Config,
  { parts }: Variant,
  { dataset, vocabSize }: { readonly dataset: Dataset; readonly vocabSize: number },
  options: TrainerOptions,
): VariantTraining {
  const streams = createStreams(config.seed)
  const model = buildModel(config, vocabSize, streams.init, parts)
  const optimizer = makeOptimizer(parts ?? {}, config, model.namedParameters())
  const schedule = parts?.schedule
  const trainer = new Trainer(model, dataset, config, streams, { ...options, optimizer, ...(schedule ? { schedule } : {}) })
  const dispose = (): void => {
    trainer.dispose()
    model.dispose()
    disposeStreams(streams)
  }
  return { streams, model, trainer, dispose }
}
