import { type Config, comparisons, presets, type Variant, validateConfig } from 'makemoe'
import { changedBy, equalConditions } from 'makemoe/dist/lab/variants'
import { describe, expect, test } from 'vitest'

const questions = Object.entries(comparisons) as [string, (config: Config) => Record<string, Variant>][]
const shared = { ...presets.default }

test('a variant changes what it names and nothing else; parts are no field of the config', () => {
  const changed = changedBy(shared, { router: 'topk', parts: {} })
  expect(changed).toEqual({ ...shared, router: 'topk' })
  expect(shared).toEqual(presets.default)
})

describe.each(questions)('%s', (_, variantsOf) => {
  const variants = Object.entries(variantsOf(shared))
  test('the first is the config as it is, every one is a valid config, and no two are the same', () => {
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
