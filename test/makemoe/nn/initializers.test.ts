import { createStreams, type Initializer, kaimingNormal, lecunNormal, normalInit, xavierNormal, zeros } from 'makemoe'
import { uniformBias } from 'makemoe/dist/makemoe/nn/initializers'
import { describe, expect, test } from 'vitest'

const streams = createStreams(3)

describe('initializers', () => {
  const deviation = (init: Initializer) => {
    const values = Array.from(init(streams.init, 400, 200).dataSync())
    return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
  }
  test.each([
    ['kaimingNormal', kaimingNormal, Math.sqrt(2 / 400)],
    ['lecunNormal', lecunNormal, Math.sqrt(1 / 400)],
    ['xavierNormal', xavierNormal, Math.sqrt(2 / 600)],
    ['normalInit(0.3)', normalInit(0.3), 0.3],
  ] as const)('%s has its deviation within 2 %%', (_name, init, expected) => {
    expect(Math.abs(deviation(init) / expected - 1)).toBeLessThan(0.02)
  })
  test('zeros are zero', () => expect(deviation(zeros)).toBe(0))
  test('uniformBias lies within 1 / sqrt(fanIn)', () => {
    const values = uniformBias(streams.init, 100, 5000).dataSync()
    expect(Math.max(...values)).toBeLessThanOrEqual(0.1)
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.1)
    expect(Math.max(...values)).toBeGreaterThan(0.099)
  })
})
