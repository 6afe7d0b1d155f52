/** Timing variants: in turns, and nothing is left behind. */
import { CharTokenizer, Dataset, presets, tf, validateConfig } from 'makemoe'
import { stepTimes } from 'makemoe/dist/lab/timing'
import { expect, test } from 'vitest'
import { cases } from '../support'

const text = 'the quick brown fox jumps over the lazy dog. '.repeat(20)
const tokenizer = CharTokenizer.fromText(text)
const tiny = { nEmbed: 8, nHead: 2, nLayer: 1, blockSize: 8, batchSize: 2, numExperts: 2 } as const
const config = validateConfig({ ...presets.corrected, ...tiny })
const options = {
  config,
  dataset: new Dataset(tokenizer.encode(text), config.blockSize),
  vocabSize: tokenizer.vocabSize,
  compile: <F>(fn: F) => fn,
  rounds: 2,
  steps: cases(2, 5),
}

test('the variants take turns, a costly one takes longer, and nothing is left behind', async () => {
  const before = tf.memory().numTensors
  const turns: string[] = []
  const times = await stepTimes(
    { small: {}, large: { numExperts: cases(8, 16), nLayer: 6 } },
    { ...options, onTurn: (variant, round) => void turns.push(`${variant} ${round}`) },
  )
  expect(turns).toEqual(['small 1', 'large 1', 'small 2', 'large 2'])
  expect(times?.small).toBeGreaterThan(0)
  expect(times?.large).toBeGreaterThan(2 * (times?.small ?? Number.NaN))
  expect(tf.memory().numTensors).toBe(before)
})

test('a signal stops it', async () => {
  const stopping = new AbortController()
  const times = await stepTimes({ small: {} }, { ...options, signal: stopping.signal, onTurn: () => stopping.abort() })
  expect(times).toBeUndefined()
})
