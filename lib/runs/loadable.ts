/** Whether the commands can load a model again: they build it from its config, so it must have lib's names, shapes and results. */
import { at } from '../base/assertions'
import { MakemoeError } from '../base/errors'
import { createStreams } from '../engine/tensor/streams'
import { type Tensor, tf } from '../engine/tensor/tf'
import { type Config, validateConfig } from '../makemoe/config'
import { assignParameter } from '../makemoe/nn/parameter'
import { type HasWeights, loadStateDict, stateDictOf } from '../makemoe/train/state-dict'
import type { Trainable } from '../makemoe/train/step'
import { buildModel } from './checkpoint'
import type { Parts } from './parts'

/** The largest relative difference between the two losses that rounding explains. */
const tolerance = 1e-3

/**
 * Compares a model with the one that its config makes.
 * @returns the reason why the commands would not get the same model back, or undefined if they would
 */
export function whyNotLoadable(
  model: Trainable & HasWeights,
  config: Partial<Config>,
  vocabSize: number,
  parts: Parts,
): string | undefined {
  let checked: Config
  try {
    checked = validateConfig(config)
  } catch (error) {
    if (error instanceof MakemoeError) return `its config is not complete: ${error.message}`
    throw error
  }
  const built = buildModel(checked, vocabSize, createStreams(0).init, parts)
  const restore = perturb(model)
  try {
    loadStateDict(built, stateDictOf(model))
    const [expected, got] = [lossOf(model, checked, vocabSize), lossOf(built, checked, vocabSize)]
    if (Math.abs(got - expected) > tolerance * Math.abs(expected))
      return `the model that its config makes has another loss with these weights, ${got.toFixed(4)} instead of ${expected.toFixed(4)}`
    return undefined
  } catch (error) {
    if (error instanceof MakemoeError) return `it is not the model that its config makes: ${error.message}`
    throw error
  } finally {
    restore()
    built.dispose()
  }
}

/**
 * Moves a model's weights so far that every op matters: at its start a model predicts all tokens alike, whatever its attention does.
 * @returns a function that puts the weights back
 */
function perturb(model: HasWeights): () => void {
  const { init } = createStreams(0)
  const before = model.namedParameters().map(([, variable]) => [variable, Float32Array.from(variable.dataSync())] as const)
  tf.tidy(() => {
    for (const [variable] of before) variable.assign(tf.add(variable, tf.mul(init.normal(variable.shape), 0.3)))
  })
  return () => {
    for (const [variable, values] of before) assignParameter(variable, values)
  }
}

/** The loss of one window, with streams of its own. */
function lossOf(model: Trainable, { blockSize }: Config, vocabSize: number): number {
  const streams = createStreams(0)
  return tf.tidy(() => {
    const window = (factor: number): Tensor => {
      const ids = Int32Array.from({ length: blockSize }, (_, i) => (factor * i) % vocabSize)
      return tf.tensor2d(ids, [1, blockSize], 'int32')
    }
    return at(model.loss(window(1), window(7), { training: false, streams }).dataSync(), 0)
  })
}
