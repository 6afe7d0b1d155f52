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
  { name: 'dropout', from: { dropout: 0.1 }, to: { dropout: 0 } },
  { name: 'learning rate', from: { learningRate: 1e-3 }, to: { learningRate: 3e-3 } },
  { name: 'schedule', from: { schedule: 'cosine' }, to: { schedule: 'linear' } },
  { name: 'weight decay', from: { weightDecay: 0.01 }, to: { weightDecay: 0.1 } },
  { name: 'expert', from: { expert: 'relu' }, to: { expert: 'relu2' } },
  { name: 'rope', from: { positions: 'learned' }, to: { positions: 'rope' } },
  { name: 'qk-norm', from: { qkNorm: 'none' }, to: { qkNorm: 'rms' } },
  { name: 'initialization', from: { initialization: 'scaled' }, to: { initialization: 'kaiming' } },
]

/** What was tried beside them and is not in the default: changes of the whole recipe. */
export const triedBeside: Readonly<Record<string, Fields>> = {
  'router topk': { router: 'topk' },
  'router hash': { router: 'hash' },
  'zero-residual': { initialization: 'zero-residual' },
  xavier: { initialization: 'xavier' },
  muon: { optimizer: 'muon' },
  rmsnorm: { norm: 'rms' },
  gelu: { expert: 'gelu' },
  swiglu: { expert: 'swiglu' },
  'tied embeddings': { embeddings: 'tied' },
  trigrams: { ngram: 3 },
  wsd: { schedule: 'wsd' },
}

/** The config fields that the recipe and what was tried set, which no option can set beside them. */
export const recipeFields = (steps = recipe, tried = triedBeside): (keyof Fields)[] => [
  ...new Set([...steps.map(({ to }) => to), ...Object.values(tried)].flatMap((fields) => keysOf(fields))),
]

const start = 'corrected'
const added = ({ name }: RecipeStep): string => `+ ${name}`
const beside = (name: string): string => `all and ${name}`
const without = ({ name }: RecipeStep): string => `all but ${name}`

/** The start, each step added to those before it, all steps but one (all but the last are there already), and all with what was tried. */
export function recipeVariants(steps = recipe, tried = triedBeside): Variants {
  const before = Object.assign({}, ...steps.map(({ from }) => from)) as Fields
  const having = (has: (i: number) => boolean): Fields => Object.assign({}, before, ...steps.filter((_, i) => has(i)).map(({ to }) => to))
  return {
    [start]: before,
    ...Object.fromEntries(steps.map((step, last) => [added(step), having((i) => i <= last)])),
    ...Object.fromEntries(steps.slice(0, -1).map((step, out) => [without(step), having((i) => i !== out)])),
    ...Object.fromEntries(Object.entries(tried).map(([name, change]) => [beside(name), { ...having(() => true), ...change }])),
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

/** What each step is worth, and what was tried, over the seeds that both of two variants have. */
export function worthOfSteps(
  measurements: readonly Measurement[],
  steps = recipe,
  tried = triedBeside,
): { readonly steps: StepWorth[]; readonly beside: { readonly name: string; readonly difference: PairedDifference }[] } {
  const lossesOf = (variant: string): Map<number, number> =>
    new Map(measurements.flatMap((each) => (each.variant === variant ? [[each.seed, each.validationLoss]] : [])))
  const difference = (withIt: string, withoutIt: string): PairedDifference => {
    const base = lossesOf(withoutIt)
    return pairedDifference([...lossesOf(withIt)].flatMap(([seed, loss]) => (base.has(seed) ? [loss - (base.get(seed) ?? 0)] : [])))
  }
  const names = [start, ...steps.map(added)]
  const whole = at(names, steps.length)
  return {
    steps: steps.map((step, i) => ({
      name: step.name,
      added: difference(added(step), at(names, i)),
      last: difference(whole, i === steps.length - 1 ? at(names, i) : without(step)),
    })),
    beside: keysOf(tried).map((name) => ({ name, difference: difference(beside(name), whole) })),
  }
}

/** What each step is worth, and what was tried, as text. */
export function worthTable({ steps, beside }: ReturnType<typeof worthOfSteps>): string {
  const mark = (difference: PairedDifference): string =>
    `${describeDifference({ difference, identical: false })}${difference.withinNoise ? ' ~' : '  '}`
  const worth = steps.map(({ name, added, last }) => [name, mark(added), mark(last)])
  const tried = beside.map(({ name, difference }) => [name, mark(difference)])
  return [
    aligned([['step', 'added in this order', 'left out of all'], ...worth]),
    ...(tried.length > 0 ? [aligned([['tried beside', 'added to all'], ...tried])] : []),
    'validation loss with it minus without it: mean ± its standard error over the seeds; ~ within noise. Where both columns of a step agree, the order does not matter.',
  ].join('\n\n')
}
