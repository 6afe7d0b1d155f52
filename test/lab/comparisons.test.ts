import { type Config, comparisons, createStreams, Dataset, presets, SparseMoELanguageModel, type Variant, validateConfig } from 'makemoe'
import { textCounts } from 'makemoe/dist/lab/comparisons'
import { changedBy, equalConditions } from 'makemoe/dist/lab/variants'
import { describe, expect, test } from 'vitest'

const questions = Object.entries(comparisons) as [string, (config: Config) => Record<string, Variant>][]
const shared = { ...presets.corrected }

/** Questions that start from a model of their own. */
const ownStart = ['scale', 'recipe', 'hash']

describe.each(questions)('%s', (question, variantsOf) => {
  const variants = Object.entries(variantsOf(shared))
  test('the first is the config as it is, every one is a valid config, and no two are the same', () => {
    if (!ownStart.includes(question))
      expect(changedBy(shared, variants[0]?.[1] ?? {})).toEqual(
        expect.objectContaining({ router: shared.router, numExperts: shared.numExperts }),
      )
    for (const [, variant] of variants) expect(() => validateConfig(changedBy(shared, variant))).not.toThrow()
    const models = variants.map(([, variant]) =>
      JSON.stringify([changedBy(shared, variant), variant.parts], (_, value) => (typeof value === 'function' ? String(value) : value)),
    )
    expect(new Set(models).size).toBe(variants.length)
  })
  test('none changes what makes the conditions equal', () => {
    for (const [name, variant] of variants) for (const field of equalConditions) expect(Object.keys(variant), name).not.toContain(field)
  })
})

test('the experts of another width or number have as much active width as the base', () => {
  const { numExperts: E, topK: K, nEmbed: C } = shared
  const { [`${2 * E} of half width, k = ${2 * K}`]: finer } = comparisons.experts(shared) as Record<string, Variant>
  expect(finer).toEqual({ numExperts: 2 * E, topK: 2 * K, expertWidth: 2 * C })
  const dense = comparisons.dense(shared) as Record<string, Variant>
  expect(dense['dense, equal active parameters']?.expertWidth).toBe(K * 4 * C)
  expect(dense['dense, equal total parameters']?.expertWidth).toBe(E * 4 * C)
})

const named = (variants: Readonly<Record<string, Variant>>): [string, Variant][] => Object.entries(variants)
const active = (variant: Variant, config: Config = shared): number => {
  const model = new SparseMoELanguageModel({ ...changedBy(config, variant), nLayer: 1, vocabSize: 9 }, createStreams(1).init)
  const count = model.activeParameterCount()
  model.dispose()
  return count
}

test.each(['relu', 'swiglu', 'relu2'] as const)(
  'dense and scale have equal active parameters with %s, but for the rows of the router',
  (expert) => {
    const config = { ...shared, nEmbed: 12, nHead: 2, expert }
    const dense = comparisons.dense(config) as Record<string, Variant>
    const variants = [...named(dense).slice(0, 2), ...named(comparisons.scale(config))]
    const router = (variant: Variant): number => (variant.router === 'topk' ? 13 : 2 * 13 * (variant.numExperts ?? 8)) // noisy: two maps
    const counts = variants.map(([, variant]) => active(variant, config) - router(variant))
    for (const count of counts) expect(Math.abs(count - (counts[0] ?? 0))).toBeLessThanOrEqual(24) // an expert's second bias, K or 1 of them
    expect(named(comparisons.scale(config)).map(([name]) => name)).toEqual([
      'dense',
      ...[2, 4, 8, 16, 32].map((count) => `${count} experts`),
    ])
  },
)

test('experts have as many parameters, whichever is the base', () => {
  for (const expert of ['relu', 'swiglu'] as const) {
    const others = named(comparisons.experts({ ...shared, expert, expertWidth: 30 })).filter(([, variant]) => variant.expert !== undefined)
    const matrices = (name: string): number => (name === 'swiglu' ? 3 : 2)
    expect(others).toHaveLength(3)
    for (const [name, { expertWidth = 0 }] of others) expect(expertWidth * matrices(name)).toBe(30 * matrices(expert))
  }
})

test('one expert beside a shared one is measured with gates that are not always 1, too', () => {
  const variants = comparisons.experts(shared) as Record<string, Variant>
  expect(variants['1 shared + 7, k = 1, switch']).toMatchObject({ sharedExperts: 1, numExperts: 7, topK: 1, router: 'switch' })
  expect(variants['1 shared + 7, k = 1, sigmoid gate']?.parts?.router).toBeDefined()
  expect(Object.keys(comparisons.experts({ ...shared, topK: 3 })).filter((name) => name.startsWith('1 shared'))).toEqual([
    '1 shared + 7, k = 2',
  ])
})

test.each<[keyof typeof comparisons, Partial<Config>]>([
  ['balance', { router: 'hash' }],
  ['balance', { router: 'topk' }],
  ['balance', { firstRouters: 'hash*3' }],
  ['router', { router: 'topk', balance: 'quantile' }],
  ['dense', { router: 'topk', balance: 'quantile', firstRouters: 'hash*2' }],
  ['scale', { router: 'topk', balance: 'quantile' }],
  ['hash', { nLayer: 2, balance: 'quantile', router: 'topk' }],
])('%s is possible from %j too', (question, changes) => {
  const config = validateConfig({ ...shared, ...changes })
  const variants = named((comparisons[question] as (config: Config) => Record<string, Variant>)(config))
  for (const [name, variant] of variants) expect(() => validateConfig(changedBy(config, variant)), name).not.toThrow()
})

test.each(Object.entries<Config>(presets))('every question can be asked of the preset %s', (_, config) => {
  for (const [question, variantsOf] of questions) {
    const variants = named(variantsOf(config))
    for (const [name, variant] of variants) expect(() => validateConfig(changedBy(config, variant)), `${question}: ${name}`).not.toThrow()
  }
})

test('the question hash: frozen, rates, layers, gates and what is hashed; a balanced table only of a text', () => {
  const text = textCounts(
    new Dataset(
      Int32Array.from({ length: 60 }, (_, i) => i % 3),
      2,
      40,
    ),
    4,
  )
  expect(text.counts).toEqual([14, 13, 13, 0])
  const variants = comparisons.hash(shared, text) as Record<string, Variant>
  expect(Object.keys(variants)).toEqual(expect.arrayContaining(['topk', 'hash in 4 of 8 layers', 'hash of the position', 'balanced table']))
  expect(variants['topk, frozen']).toMatchObject({ router: 'topk', learningRates: 'router:0' })
  expect(variants["topk, router's rate x 0.03"]).toMatchObject({ learningRates: 'router:0.03' })
  expect(Object.keys(comparisons.hash({ ...shared, nLayer: 2 }))).not.toContain('hash in 2 of 2 layers')
  expect(Object.keys(comparisons.hash(shared))).not.toContain('balanced table')
})
