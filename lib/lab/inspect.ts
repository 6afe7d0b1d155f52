/**
 * Inspects a trained model: what its routers do with validation text, in plain numbers for a page (plot/inspection) or a person's
 * own use. Observes every layer, compares the checkpoints of the run, and takes the routing apart (knock-out.ts).
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { TensorError } from '../base/errors'
import { type Tensor, tf } from '../engine/tensor/tf'
import type { Dataset } from '../makemoe/text/dataset'
import type { Tokenizer } from '../makemoe/text/tokenizer'
import { charactersOf } from '../makemoe/text/tokenizers'
import type { HasWeights } from '../makemoe/train/state-dict'
import { setStreamCounters, streamCounters } from '../makemoe/train/training-state'
import type { Inspection } from '../show/inspection/contents'
import { specialization } from './analysis'
import { characterClasses, classifyCharacters } from './character-classes'
import { type ExaminedModel, knockOut, type MeasureOptions } from './knock-out'
import { type LayerObservation, Observation, observed } from './observe'
import { saturationOverRun } from './saturation'

/** A model that can be inspected; lib's language model is one. */
export interface InspectedModel extends ExaminedModel, HasWeights {
  parameterCount(): number
  activeParameterCount?(): number
}

export interface InspectOptions extends Omit<MeasureOptions, 'onProgress'> {
  /** Where the text is from, in words. */
  readonly source: string
  /** A run's folder, for its checkpoints. */
  readonly folder?: string
  /** Characters of text to show in color. Default 1,500. */
  readonly shown?: number
  readonly onProgress?: (doing: string, share: number) => void
}

/** Characters that the checkpoints of a run are compared on. */
const saturationCharacters = 8192

/**
 * Inspects a model on the validation split: the load of each expert, what it chooses by, what it is worth, and how early the choices settled.
 * @throws ConfigError if its tokens are not characters; TensorError if no layer can be observed; whatever reason the signal has, if it stops the inspection
 */
export async function inspect(model: InspectedModel, tokenizer: Tokenizer, dataset: Dataset, options: InspectOptions): Promise<Inspection> {
  const vocabulary = charactersOf(tokenizer, 'an inspection')
  const { streams, compile = (fn) => fn, signal, folder, onProgress = () => {}, shown = 1500 } = options
  const forward = compile(function observation(x: Tensor) {
    return observed((ctx) => model.forward(x, ctx), { training: false, streams })
  })
  const observeText = async (
    characters: number | undefined,
    onProgress: (share: number) => void,
  ): Promise<[LayerObservation[], Int32Array]> => {
    const observation = new Observation()
    const ids: number[] = []
    for (const { x, y } of dataset.windows('val', undefined, characters)) {
      const { result, layers } = forward(x)
      observation.add(layers)
      for (const id of x.dataSync()) ids.push(id)
      tf.dispose([x, y, result])
      onProgress(Math.min(1, ids.length / Math.min(characters ?? Number.POSITIVE_INFINITY, dataset.splits.val.length)))
      await nextTurn() // signals get their turn
      signal?.throwIfAborted()
    }
    return [observation.summary(ids, dataset.blockSize), Int32Array.from(ids)]
  }

  const before = streamCounters(streams)
  const [layers, ids] = await observeText(options.characters, (share) => onProgress('observing', share))
  if (layers.length === 0) throw new TensorError('got a model of which no layer reports its routing, expected SparseMoE layers')
  const comparing = Math.min(saturationCharacters, options.characters ?? saturationCharacters)
  const saturation = folder
    ? await saturationOverRun(model, folder, async () => {
        const [observations] = await observeText(comparing, (share) => onProgress('comparing checkpoints', share))
        return observations.map(({ choices }) => choices)
      })
    : []
  const text = tokenizer.decode(ids)
  const classes = classifyCharacters(text)
  setStreamCounters(streams, before)
  const measured = await knockOut(model, dataset, { ...options, onProgress: (share) => onProgress('knocking out experts', share) })
  return {
    model: {
      parameters: model.parameterCount(),
      activeParameters: model.activeParameterCount?.(),
      numExperts: model.config.numExperts,
      topK: model.config.topK,
      blockSize: model.config.blockSize,
    },
    source: options.source,
    vocabulary,
    occurrences: occurrences(ids, tokenizer.vocabSize),
    classes: characterClasses,
    classOccurrences: occurrences(classes, characterClasses.length),
    characters: ids.length,
    available: dataset.splits.val.length,
    layers: layers.map(({ choices, gates, ...numbers }) => ({
      ...numbers,
      byClass: specialization(choices, classes, characterClasses.length),
      byCharacter: specialization(choices, ids, tokenizer.vocabSize),
      first: firstOf(choices.experts, choices.topK, shown),
      firstGates: firstOf(gates, choices.topK, shown),
    })),
    text: tokenizer.decode(ids.subarray(0, shown)),
    saturation,
    knockOut: measured,
  }
}

function occurrences(numbers: Int32Array, size: number): number[] {
  const counts = new Array<number>(size).fill(0)
  for (const number of numbers) counts[number] = (counts[number] ?? 0) + 1
  return counts
}

/** The first of each token's K values, for a limited number of tokens. */
function firstOf(values: ArrayLike<number>, topK: number, tokens: number): number[] {
  return Array.from({ length: Math.min(tokens, values.length / topK) }, (_, token) => values[token * topK] ?? Number.NaN)
}
