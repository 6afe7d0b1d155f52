import { ConfigError, createStreams, NoisyTopkRouter, TopkRouter } from 'makemoe'
import { describe, expect, test } from 'vitest'

const streams = createStreams(3)

describe('routers', () => {
  test.each([0, 9, 1.5])('refuse topK %d of 8', (topK) => {
    expect(() => new TopkRouter(4, 8, topK, streams.init)).toThrow(ConfigError)
    expect(() => new NoisyTopkRouter(4, 8, topK, streams.init)).toThrow(/topK: got/)
  })
})
