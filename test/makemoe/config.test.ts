import { type Config, ConfigError, preset, presets, validateConfig } from 'makemoe'
import { keysOf } from 'makemoe/dist/base/assertions'
import { configFields } from 'makemoe/dist/makemoe/config'
import { describe, expect, test } from 'vitest'

describe('presets', () => {
  const different = (a: Config, b: Config): string[] => keysOf(a).filter((name) => a[name] !== b[name])
  test('the corrected one differs from the original in the quirks and the schedule alone', () => {
    expect(different(presets.corrected, presets.makemoe).sort()).toEqual([
      'attentionScale',
      'capacityMode',
      'dropPolicy',
      'initialization',
      'minCapacity',
      'noiseMode',
      'schedule',
    ])
  })
  test('the default has the size and the training of the corrected one', () => {
    for (const name of ['nEmbed', 'nHead', 'nLayer', 'numExperts', 'topK', 'blockSize', 'batchSize', 'steps', 'expertWidth'] as const)
      expect(presets.default[name]).toBe(presets.corrected[name])
  })
  test('an unknown one is refused by name', () => {
    expect(() => preset('gpt')).toThrow(/preset: got gpt, expected one of default, corrected, makemoe, tiny/)
    expect(preset('makemoe').attentionScale).toBe('nEmbed')
  })
})

describe('validateConfig', () => {
  test('returns a good config unchanged', () => expect(validateConfig(presets.corrected)).toEqual(presets.corrected))
  test.each([
    [{ nEmbed: 130 }, /nEmbed: got 130, expected a multiple of nHead \(8\)/],
    [{ topK: 9 }, /topK: got 9, expected at most numExperts \(8\)/],
    [{ dropout: 1 }, /^dropout: got 1, expected at most 0.999$/],
    [{ steps: -1 }, /^steps: got -1, expected at least 0$/],
    [{ batchSize: 0 }, /^batchSize: got 0, expected at least 1$/],
    [{ batchSize: 1.5 }, /^batchSize: got 1.5, expected an integer$/],
    [{ learningRate: Number.NaN }, /^learningRate: got NaN, expected a number$/],
    [{ learningRate: 0 }, /^learningRate: got 0, expected more than 0$/],
    [{ nHead: undefined }, /^nHead: got undefined, expected a value \(attention heads\)$/],
    [{ capacityFactor: -1 }, /capacityFactor: got -1/],
    [{ attentionScale: 'none' }, /^attentionScale: got none, expected one of headSize, nEmbed$/],
    [{ headSize: 4 }, /unknown config field: headSize/],
    [{ router: 'topkk' }, /router: got topkk/],
    [{ balance: 'swtch:0.1' }, /balance: got swtch, .*did you mean switch\?/],
    [{ expertWidth: 0 }, /expertWidth: got 0/],
    [{ seed: 2 ** 40 }, /seed: got 1099511627776/],
  ])('refuses %j', (change, message) => {
    expect(() => validateConfig({ ...presets.corrected, ...change })).toThrow(ConfigError)
    expect(() => validateConfig({ ...presets.corrected, ...change })).toThrow(message)
  })
  test('refuses what is no object', () => expect(() => validateConfig(null)).toThrow(ConfigError))
})

test('configFields has every field with a description', () => {
  const fields = configFields()
  for (const name of Object.keys(presets.corrected)) expect(fields.map((field) => field.name)).toContain(name)
  for (const field of fields) expect(field.description).not.toBe('')
})
