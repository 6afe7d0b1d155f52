import { type Config, ConfigError, presets, validateConfig } from 'makemoe'
import { checkShares } from 'makemoe/dist/runs/cluster/member'
import { expect, test } from 'vitest'

const config: Config = { ...presets.corrected, batchSize: 8, numExperts: 4, topK: 2 }
const sharing =
  (change: Partial<Config>, size = 2, ...rest: [model?: { looksAhead(): boolean }]) =>
  () =>
    checkShares(validateConfig({ ...config, ...change }), size, 'experts', ...rest)

test('what can be shared out is', () => expect(sharing({}, 4, { looksAhead: () => false })).not.toThrow())

test.each<[string, () => void, RegExp]>([
  ['a batch that leaves a rest', sharing({ batchSize: 9 }), /batchSize: got 9 sequences in total, expected a multiple of the 2 workers/],
  ['experts that leave a rest', sharing({ numExperts: 5 }), /numExperts: got 5, expected a multiple of the 2 workers/],
  ['experts that choose', sharing({ router: 'expert-choice' }), /router: got expert-choice with 2 workers/],
  ['experts that choose in one layer', sharing({ firstRouters: 'expert-choice' }), /router: got expert-choice with 2 workers/],
  [
    "a person's router that looks across tokens",
    sharing({}, 2, { looksAhead: () => true }),
    /router: got one that decides by other tokens too with 2 workers/,
  ],
])('%s is refused', (_what, check, message) => {
  expect(check).toThrow(ConfigError)
  expect(check).toThrow(message)
})
