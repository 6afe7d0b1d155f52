import { createStreams, tf } from 'makemoe'
import { makePage } from 'makemoe/dist/show/page/page'
import { type Settings, Writer } from 'makemoe/dist/show/page/writer'
import { describe, expect, test } from 'vitest'
import { lossOf, makeModel, openPage, tokenizer } from './small-page'

const model = makeModel()

describe('a writer', () => {
  const { engine, data } = openPage(makePage(model, tokenizer.vocabulary, { precision: 'fp32' }).html)
  const write = (settings: Settings, steps: number, prompt = 'abc'): Writer => {
    const writer = new Writer(engine, data.vocabulary, prompt, settings)
    for (let i = 0; i < steps; i++) writer.step()
    return writer
  }
  const textOf = ({ characters }: Writer): string => characters.map(({ text }) => text).join('')

  test('writes the same for the same seed, another text for another', () => {
    expect(textOf(write({ temperature: 1, seed: 1 }, 60))).toBe(textOf(write({ temperature: 1, seed: 1 }, 60)))
    expect(textOf(write({ temperature: 1, seed: 1 }, 60))).not.toBe(textOf(write({ temperature: 1, seed: 2 }, 60)))
  })
  test('at temperature 0 takes what TensorFlow finds most likely, through the sliding window', () => {
    const ids = [...tokenizer.encode('abc')]
    for (let i = 0; i < 20; i++) {
      const window = ids.slice(-8)
      const logits = tf.tidy(() =>
        model
          .forward(tf.tensor2d(window, [1, window.length], 'int32'), { training: false, streams: createStreams(0) })
          .dataSync()
          .slice(-8),
      )
      ids.push(logits.indexOf(Math.max(...logits)))
    }
    expect(textOf(write({ temperature: 0, seed: 1 }, 20))).toBe(tokenizer.decode(ids))
  })
  test('remembers how likely each character was, its path, and the load', () => {
    const writer = write({ temperature: 1, seed: 3 }, 20, 'abcabcabcabc')
    const [first, ...rest] = writer.characters
    expect(first?.expected).toBeUndefined()
    for (const { id, expected, path } of rest) {
      expect(expected?.[id as number]).toBeGreaterThan(0)
      expect(path.map(({ experts }) => experts.length)).toEqual([2, 2])
    }
    expect(writer.load.reduce((a, b) => a + b)).toBe(32 * 2 * 2)
  })
  test('measures the loss of its text as TensorFlow does', () => {
    const writer = write({ temperature: 1, seed: 3 }, 62)
    const windows = writer.loss([])
    let window = windows.next()
    for (; !window.done; window = windows.next()) expect(window.value).toBeUndefined()
    const ids = [...tokenizer.encode(textOf(writer))]
    expect(ids).toHaveLength(65)
    expect(window.value).toBeCloseTo(lossOf(model, ids), 4)
  })
  test('keeps at least topK experts of a layer, and shows characters that it does not know', () => {
    const writer = write({ temperature: 1, seed: 3 }, 3, 'aé')
    expect([0, 1, 2].map((expert) => writer.toggle(1, expert))).toEqual([true, true, false])
    writer.step()
    expect(writer.characters.at(-1)?.path[1]?.experts.toSorted()).toEqual([2, 3])
    expect(writer.toggle(1, 0)).toBe(true)
    expect([...writer.off]).toEqual([4 + 1])
    expect(textOf(writer)).toMatch(/^aé/)
    expect(writer.unknown).toEqual(['é'])
    expect(textOf(write({ temperature: 1, seed: 3 }, 0, 'é'))).toBe('é\n') // something must be there to begin with
  })
})
