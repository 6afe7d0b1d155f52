/** The recipe's steps: what is trained for them, and what they are worth. */
import { type Measurement, presets, validateConfig } from 'makemoe'
import { type RecipeStep, recipe, recipeFields, recipeVariants, triedBeside, worthOfSteps, worthTable } from 'makemoe/dist/lab/recipe'
import { changedBy } from 'makemoe/dist/lab/variants'
import { expect, test } from 'vitest'

const steps: RecipeStep[] = [
  { name: 'a', from: { router: 'noisy-topk' }, to: { router: 'topk' } },
  { name: 'b', from: { dropout: 0.1 }, to: { dropout: 0 } },
  { name: 'c', from: { norm: 'layer' }, to: { norm: 'rms' } },
]

test('the start, each step added, and all but each of them; nothing twice', () => {
  const none = { router: 'noisy-topk', dropout: 0.1, norm: 'layer' }
  expect(recipeVariants(steps, { muon: { optimizer: 'muon' } })).toEqual({
    corrected: none,
    '+ a': { ...none, router: 'topk' },
    '+ b': { ...none, router: 'topk', dropout: 0 },
    '+ c': { router: 'topk', dropout: 0, norm: 'rms' },
    'all but a': { router: 'noisy-topk', dropout: 0, norm: 'rms' },
    'all but b': { router: 'topk', dropout: 0.1, norm: 'rms' },
    'all and muon': { router: 'topk', dropout: 0, norm: 'rms', optimizer: 'muon' },
  })
})

test('the steps start at the preset corrected and end at the default', () => {
  const [first, ...others] = Object.values(recipeVariants(recipe, {}))
  expect(changedBy(presets.default, first ?? {})).toEqual(presets.corrected)
  expect(changedBy(presets.corrected, others[recipe.length - 1] ?? {})).toEqual(presets.default)
})

test("the project's own steps are valid in any order, and each changes what it was", () => {
  for (const [name, variant] of Object.entries(recipeVariants()))
    expect(() => validateConfig(changedBy(presets.corrected, variant)), name).not.toThrow()
  for (const { name, from, to } of recipe) {
    expect(Object.keys(to), name).toEqual(Object.keys(from))
    expect(to, name).not.toEqual(from)
  }
  expect(Object.assign({}, presets.corrected, ...recipe.map(({ to }) => to))).toEqual(presets.default)
  for (const [name, change] of Object.entries(triedBeside)) expect({ ...presets.default, ...change }, name).not.toEqual(presets.default)
  expect(recipeFields(steps, { muon: { optimizer: 'muon' } })).toEqual(['router', 'dropout', 'norm', 'optimizer'])
  expect(new Set(recipe.map(({ name }) => name)).size).toBe(recipe.length)
})

test('what a step is worth, by hand: added, and as the last one', () => {
  const losses: Record<string, [number, number]> = {
    corrected: [2, 2.1],
    '+ a': [1.9, 2],
    '+ b': [1.9, 2.02],
    '+ c': [1.6, 1.7],
    'all but a': [1.6, 1.7],
    'all but b': [1.7, 1.82],
    'all and muon': [1.5, 1.65],
  }
  const measurements = Object.entries(losses).flatMap(([variant, own]) =>
    own.map((validationLoss, seed) => ({ variant, seed, validationLoss }) as Measurement),
  )
  const worths = worthOfSteps(measurements, steps, { muon: { optimizer: 'muon' } })
  const means = worths.steps.map(({ added, last }) => [added.mean, last.mean].map((value) => Number(value.toFixed(6))))
  // c: + c minus + b in both columns, since all but c is + b.
  expect(means).toEqual([
    [-0.1, 0],
    [0.01, -0.11],
    [-0.31, -0.31],
  ])
  // Two seeds: t is 12.7, so that ten standard errors are within noise.
  expect(worths.steps[0]?.added.withinNoise).toBe(false)
  expect(worthTable(worths)).toMatch(/\nb +\+0\.0100 ± 0\.0100 ~ +-0\.1100 ± 0\.0100 ~\nc /)
  expect(worthTable(worths)).toMatch(/tried beside +added to all\nmuon +-0\.0750 ± 0\.0250 ~\n/)
})
