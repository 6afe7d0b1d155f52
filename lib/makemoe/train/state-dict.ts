/** A model's weights as named tensors in PyTorch's layout, and what their names and shapes say about it. */
import { keysOf } from '../../base/assertions'
import { CheckpointError } from '../../base/errors'
import type { ModelConfig } from '../config'
import { assignParameter, type NamedParameter, numbersOf } from '../nn/parameter'
import { type StateDict, takeState } from '../nn/state-tensors'

/** What has weights: every Module, and a stranger's model that lists its parameters. */
export interface HasWeights {
  namedParameters(): readonly NamedParameter[]
  saveState?(state: StateDict): void
  loadState?(state: StateDict): void
}

/** The weights of a model, under PyTorch's names if it knows them, else under its own. */
export function stateDictOf(model: HasWeights): StateDict {
  const state: StateDict = new Map()
  if (model.saveState) model.saveState(state)
  else for (const [name, v] of model.namedParameters()) state.set(name, { shape: v.shape, values: numbersOf([name, v]) })
  return state
}

/** Says which tensor of a state_dict has a value that is not finite, the first in order; undefined if none has. */
export function findNotFinite(state: StateDict): string | undefined {
  for (const [name, { values }] of state) {
    let index = 0 // a loop: millions of numbers, at the start and with each checkpoint
    while (index < values.length && Number.isFinite(values[index])) index++
    if (index < values.length) return `${name} has ${values[index]} at index ${index}`
  }
  return undefined
}

/** The largest absolute value in a state_dict, and the tensor that has it. */
export function describeLargest(state: StateDict): string {
  let [largest, where] = [0, 'none']
  for (const [name, { values }] of state)
    for (const value of values) if (Math.abs(value) > largest) [largest, where] = [Math.abs(value), name]
  return `${largest.toPrecision(3)}, in ${where}`
}

/**
 * Puts a state_dict into a model.
 * @throws CheckpointError if a tensor is missing, of another shape, or left over
 */
export function loadStateDict(model: HasWeights, saved: StateDict): void {
  const state = new Map(saved)
  if (model.loadState) model.loadState(state)
  else for (const [name, v] of model.namedParameters()) assignParameter(v, takeState(state, name, v.shape).values)
  const [extra] = state.keys()
  if (extra !== undefined)
    throw new CheckpointError(`the checkpoint has ${state.size} tensors that the model has no place for, ${extra} for one`)
}

/** Refuses weights of another size before a model of the config's size is made. */
export function checkSizes(state: StateDict, config: ModelConfig, vocabSize: number): void {
  const sizes = sizesOf(state)
  const expected = { ...config, vocabSize }
  for (const name of keysOf(sizes))
    if (sizes[name] !== expected[name])
      throw new CheckpointError(`the weights have ${name} ${sizes[name]}, the config says ${expected[name]}`)
}

/** The model's sizes, from the shapes in a state_dict. */
export interface StateDictSizes {
  readonly vocabSize: number
  readonly nEmbed: number
  readonly blockSize: number
  readonly nHead: number
  readonly nLayer: number
  readonly numExperts: number
}

/**
 * Reads a model's sizes from the names and shapes of its tensors.
 * @throws CheckpointError if they are not those of makeMoE's model
 */
export function sizesOf(state: StateDict): StateDictSizes {
  const shapeOf = (name: string): readonly number[] => {
    const found = state.get(name)
    if (!found) throw new CheckpointError(`not a state_dict of makeMoE's model: the tensor ${name} is missing`)
    return found.shape
  }
  const highest = (pattern: RegExp): number => {
    let count = 0
    for (const name of state.keys()) count = Math.max(count, 1 + Number(pattern.exec(name)?.[1] ?? -1))
    return count
  }
  const [vocabSize = 0, nEmbed = 0] = shapeOf('token_embedding_table.weight')
  const [blockSize = 0] = state.get('position_embedding_table.weight')?.shape ?? shapeOf('blocks.0.sa.heads.0.tril') // rope has no table
  const nHead = highest(/^blocks\.0\.sa\.heads\.(\d+)\./)
  const numExperts = highest(/^blocks\.0\.smoe\.experts\.(\d+)\./)
  return { vocabSize, nEmbed, blockSize, nHead, nLayer: highest(/^blocks\.(\d+)\./), numExperts }
}
