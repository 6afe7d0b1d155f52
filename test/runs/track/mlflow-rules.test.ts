/** Names that a server refuses although we take them: everything else arrives, in order, and each is named. */
import fc from 'fast-check'
import { MlflowError } from 'makemoe/dist/runs/track/mlflow-client'
import { acceptable, makeTagged, sendNamed } from 'makemoe/dist/runs/track/mlflow-rules'
import { expect, test } from 'vitest'

const refused = () =>
  new MlflowError('the MLflow server answered 400 (Names may only contain alphanumerics ...)', 'INVALID_PARAMETER_VALUE', 400)
const isKnown = (key: string): boolean => !key.includes('学')

test('drawn entries, some of them refused', async () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'c学', '学'), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(names, async (keys) => {
      const [arrived, notes]: [string[], string[]] = [[], []]
      const send = async (entries: readonly { key: string }[]): Promise<void> => {
        if (!entries.every(({ key }) => isKnown(key))) throw refused()
        arrived.push(...entries.map(({ key }) => key))
      }
      const entries = keys.map((key) => ({ key }))
      await sendNamed('metric', entries, send, (note) => notes.push(note))
      expect(arrived).toEqual(keys.filter(isKnown))
      expect(notes).toHaveLength(keys.length - arrived.length)
      for (const note of notes) expect(note).toMatch(/^metric ".*学" is not sent: this server knows not all of its letters$/)
    }),
  )
})

test('a run is made without the tags that may be refused; other errors stay', async () => {
  const notes: string[] = []
  const tags = [
    { key: 'seed', value: '1' },
    { key: '学', value: '2' },
  ]
  const make = async (tags: readonly { key: string }[]): Promise<string[]> => {
    if (!tags.every(({ key }) => isKnown(key))) throw refused()
    return tags.map(({ key }) => key)
  }
  expect(await makeTagged(tags, make, (note) => notes.push(note))).toEqual(['seed'])
  expect(notes).toEqual(['tag "学" is not sent: this server knows not all letters of the tags'])
  const other = new MlflowError('the MLflow server answered 400 (the run is deleted)', 'INVALID_PARAMETER_VALUE', 400)
  const fail = () => Promise.reject(other)
  await expect(makeTagged(tags, fail, () => expect.unreachable())).rejects.toBe(other)
  await expect(sendNamed('metric', tags, fail, () => expect.unreachable())).rejects.toBe(other)
})

test.each(['....', '..a', '..', '.', 'a/../b', '/a', 'a//b', 'a/', '', 'a'.repeat(251)])('the name %j is not sent', (name) => {
  const notes: string[] = []
  expect(acceptable('metric', name, '', (note) => notes.push(note))).toBe(false)
  expect(notes).toEqual([expect.stringContaining('is not sent: MLflow takes names of 1 to 250 letters')])
})
test.each(['.a', 'a..b', 'a/..b', 'a/.b', '学/𝔐', 'a'.repeat(250)])('the name %j is sent', (name) => {
  expect(acceptable('metric', name, '', () => expect.unreachable())).toBe(true)
})
