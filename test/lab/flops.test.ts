/** The arithmetic of a model, and the sizes of the baselines that it is compared with. */
import { comparisons, createStreams, presets, SparseMoELanguageModel, type Variants } from 'makemoe'
import { flopsPerToken } from 'makemoe/dist/lab/flops'
import { describe, expect, test } from 'vitest'

describe('flopsPerToken', () => {
  test('of the default model, by hand: 5.42 million', () => {
    const model = new SparseMoELanguageModel({ ...presets.corrected, vocabSize: 65 }, createStreams(1).init)
    const layer = 3 * 128 * 128 + 128 * 128 + 2 * 128 * 8 + 2 * (2 * 128 * 512) // q k v, projection, two router maps, 2 of 8 experts
    expect(flopsPerToken(model)).toBe(2 * (8 * layer + 128 * 65) + 8 * 4 * 32 * 128)
    expect(flopsPerToken(model) / 1e6).toBeCloseTo(5.42, 2)
    model.dispose()
  })
  test('the dense baselines have as many active, or as many, parameters as the sparse model, but for biases and router', () => {
    const counts = Object.values(comparisons.dense(presets.corrected)).map(({ parts: _, ...changes }: Variants[string]) => {
      const model = new SparseMoELanguageModel({ ...presets.corrected, ...changes, vocabSize: 65 }, createStreams(1).init)
      const found = { all: model.parameterCount(), active: model.activeParameterCount() }
      model.dispose()
      return found
    })
    const [sparse, active, total] = counts as [(typeof counts)[0], (typeof counts)[0], (typeof counts)[0]]
    expect(sparse).toEqual({ all: 8_996_545, active: 2_674_369 })
    expect(active.active).toBe(active.all)
    expect(Math.abs(active.active / sparse.active - 1)).toBeLessThan(0.01)
    expect(Math.abs(total.all / sparse.all - 1)).toBeLessThan(0.01)
  })
})
