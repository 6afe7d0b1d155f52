/**
 * The recipe: the steps from the model with its bugs fixed to the default, as a table, and what each of them is worth. A step is taken in
 * two ways, added to those before it, and left out of all of them; where both give the same, the order does not matter.
 */
import { at, keysOf } from '../base/assertions'
import type { Config } from '../makemoe/config'
import type { Measurement } from './measurement'
import { type PairedDifference, pairedDifference } from './statistics'
import { aligned, describeDifference } from './table'
import type { Variants } from './variants'

type Fields = Partial<Omit<Config, 'steps' | 'batchSize' | 'blockSize' | 'seed' | 'evalInterval' | 'evalIters'>>

/** A step: the fields that it changes, and what they were. */
export interface RecipeStep {
  readonly name: string
  readonly from: Fields
  readonly to: Fields
}

/** The steps from `corrected` to `default`, in the order in which they are added. To try another recipe, change the table. */
export const recipe: readonly RecipeStep[] = [
  { name: 'router', from: { router: 'noisy-topk' }, to: { router: 'hash-gated' } },
  { name: 'initialization', from: { initialization: 'scaled' }, to: { initialization: 'zero-residual' } },
  { name: 'dropout', from: { dropout: 0.1 }, to: { dropout: 0 } },
  { name: 'learning rate', from: { learningRate: 1e-3 }, to: { learningRate: 3e-3 } },
  { name: 'rope', from: { positions: 'learned' }, to: { positions: 'rope' } },
  { name: 'qk-norm', from: { qkNorm: 'none' }, to: { qkNorm: 'rms' } },
]

/** The config fields that the recipe sets, which no option can set beside it. */
export const recipeFields = (steps = recipe): (keyof Fields)[] => [...new Set(steps.flatMap(({ to }) => keysOf(to)))]

const start = 'corrected'
const added = ({ name }: RecipeStep): string => `+ ${name}`
const without = ({ name }: RecipeStep): string => `all but ${name}`

/** The start, each step added to those before it, and all steps but one; all but the last are there already. */
export function recipeVariants(steps: readonly RecipeStep[] = recipe): Variants {
  const before = Object.assign({}, ...steps.map(({ from }) => from)) as Fields
  const having = (has: (i: number) => boolean): Fields => Object.assign({}, before, ...steps.filter((_, i) => has(i)).map(({ to }) => to))
  return {
    [start]: before,
    ...Object.fromEntries(steps.map((step, last) => [added(step), having((i) => i <= last)])),
    ...Object.fromEntries(steps.slice(0, -1).map((step, out) => [without(step), having((i) => i !== out)])),
  }
}

/** What one step is worth: losses with it minus without it, so that less than 0 is a gain. */
export interface StepWorth {
  readonly name: string
  /** Added to the steps before it. */
  readonly added: PairedDifference
  /** As the last one to be added: the whole recipe minus all but it. */
  readonly last: PairedDifference
}

/** What each step is worth, over the seeds that both of its variants have. */
export function worthOfSteps(measurements: readonly Measurement[], steps: readonly RecipeStep[] = recipe): StepWorth[] {
  const lossesOf = (variant: string): Map<number, number> =>
    new Map(measurements.flatMap((each) => (each.variant === variant ? [[each.seed, each.validationLoss]] : [])))
  const difference = (withIt: string, withoutIt: string): PairedDifference => {
    const base = lossesOf(withoutIt)
    return pairedDifference([...lossesOf(withIt)].flatMap(([seed, loss]) => (base.has(seed) ? [loss - (base.get(seed) ?? 0)] : [])))
  }
  const names = [start, ...steps.map(added)]
  const whole = at(names, steps.length)
  return steps.map((step, i) => ({
    name: step.name,
    added: difference(added(step), at(names, i)),
    last: difference(whole, i === steps.length - 1 ? at(names, i) : without(step)),
  }))
}

/** What each step is worth, as text. */
export function worthTable(worths: readonly StepWorth[]): string {
  const mark = (difference: PairedDifference): string =>
    `${describeDifference({ difference, identical: false })}${difference.withinNoise ? ' ~' : '  '}`
  const rows = worths.map(({ name, added, last }) => [name, mark(added), mark(last)])
  return `${aligned([['step', 'added in this order', 'left out of all'], ...rows])}\n\nvalidation loss with the step minus without it: mean ± its standard error over the seeds; ~ within noise. Where both columns agree, the order does not matter.`
}
