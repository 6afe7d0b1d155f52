/** The training step of a whole batch, compiled: at once, or in pieces whose gradients are accumulated. */
import { at } from '../../base/assertions'
import { ConfigError } from '../../base/errors'
import { readsStateOf } from '../../engine/graph/javascript-state'
import type { Streams } from '../../engine/tensor/streams'
import { tf } from '../../engine/tensor/tf'
import type { Optimizer } from '../optim/optimizer'
import type { Batch } from '../text/dataset'
import { Accumulation } from './accumulation'
import type { Compile } from './compile'
import { readNumbers } from './metrics'
import { makePass, makeTrainStep, makeUpdate, type StepOptions, type StepResult, type Trainable, type TrainStep } from './step'
import { alone } from './team'

/** Numbers by name. */
type Numbers = Readonly<Record<string, number>>

/** Makes the steps of a training. */
export interface BatchStep {
  /** Makes a step. @returns the losses in nats, and from a reporting step what was reported */
  run(batch: Batch, reporting: boolean): Numbers
  dispose(): void
}

export interface BatchStepOptions extends Omit<StepOptions, 'reporting'> {
  /** Pieces of a batch; default 1. */
  readonly accumulate?: number
  readonly batchSize: number
  readonly blockSize: number
}

/** @throws ConfigError if a batch cannot be cut into the pieces */
export function makeBatchStep(
  model: Trainable,
  optimizer: Optimizer,
  streams: Streams,
  compile: Compile,
  { accumulate = 1, batchSize, blockSize, ...options }: BatchStepOptions,
): BatchStep {
  const { team = alone } = options
  if (batchSize % accumulate !== 0)
    throw new ConfigError(`accumulate: got ${accumulate}, expected a divisor of the batch size (${batchSize} sequences)`)
  if (accumulate > 1 && team.size > 1)
    throw new ConfigError(`accumulate: got ${accumulate} with ${team.size} processes, expected 1: each has a piece of the batch already`)
  if (accumulate === 1) {
    const steps = [false, true].map((reporting) => compile(makeTrainStep(model, optimizer, streams, { ...options, reporting })))
    return {
      run: ({ x, y }, reporting) => readNumbers(at(steps, Number(reporting))(x, y)),
      dispose() {
        for (const step of steps) step.dispose?.()
      },
    }
  }
  return inPieces(model, optimizer, streams, compile, { ...options, accumulate, tokens: (batchSize / accumulate) * blockSize })
}

function inPieces(
  model: Trainable,
  optimizer: Optimizer,
  streams: Streams,
  compile: Compile,
  { accumulate, tokens, ...common }: StepOptions & { readonly accumulate: number; readonly tokens: number },
): BatchStep {
  const parameters = model.namedParameters()
  const accumulation = new Accumulation(parameters, streams, accumulate, tokens)
  const steps = [false, true].map((reporting) => {
    const options = { ...common, reporting }
    const pass = makePass(model, parameters, accumulation.streams, options)
    const update = makeUpdate(optimizer, options)
    const piece: TrainStep = (x, y) =>
      tf.tidy((): StepResult => {
        accumulation.begin()
        const { result, gradients } = pass(x, y)
        accumulation.add(gradients)
        return result
      })
    const last: TrainStep = (x, y) =>
      tf.tidy((): StepResult => {
        accumulation.begin()
        const { result, gradients } = pass(x, y)
        return update(accumulation.end(gradients), result)
      })
    return { piece: compile(readsStateOf(piece, model)), last: compile(readsStateOf(last, model, optimizer)) }
  })
  return {
    run({ x, y }, reporting) {
      const { piece, last } = at(steps, Number(reporting))
      const [xs, ys] = [tf.split(x, accumulate), tf.split(y, accumulate)]
      const numbers = xs.map((x, i) => readNumbers((i < accumulate - 1 ? piece : last)(x, at(ys, i))))
      tf.dispose([xs, ys])
      return meansOf(numbers)
    },
    dispose() {
      for (const { piece, last } of steps) {
        piece.dispose?.()
        last.dispose?.()
      }
      accumulation.dispose()
    },
  }
}

/** The mean of each number over the pieces that have it. */
function meansOf(pieces: readonly Numbers[]): Numbers {
  const names = new Set(pieces.flatMap((numbers) => Object.keys(numbers)))
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  return Object.fromEntries([...names].map((name) => [name, mean(pieces.flatMap((numbers) => numbers[name] ?? []))]))
}
