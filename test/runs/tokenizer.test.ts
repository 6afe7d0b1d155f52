import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  ByteTokenizer,
  CharTokenizer,
  createStreams,
  Dataset,
  loadCheckpoint,
  presets,
  resumeRun,
  SparseMoELanguageModel,
  startRun,
  type Tokenizer,
  type TokenizerKind,
  WordTokenizer,
} from 'makemoe'
import { expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-tokenizer-'))
const text = "the quick brown fox doesn't jump over the naïve dog 🦊.\n".repeat(20)

/** As in a cell: letters backwards. */
const backwards: TokenizerKind = {
  fromText: (text) => backwards.fromState([...new Set(typeof text === 'string' ? text : [...text].join(''))].sort().reverse()),
  fromState: (state): Tokenizer => {
    const letters = state as readonly string[]
    return {
      vocabSize: letters.length,
      encode: (text) => Array.from(text, (letter) => letters.indexOf(letter)),
      decode: (ids) => Array.from(ids, (id) => letters[id]).join(''),
      state: () => letters,
    }
  },
}

/** A run of two steps by value. */
async function trained(name: string, tokenizer: Tokenizer) {
  const config = { ...presets.corrected, nEmbed: 8, nHead: 2, nLayer: 1, numExperts: 2, blockSize: 8, batchSize: 2, steps: 2, evalIters: 1 }
  const streams = createStreams(config.seed)
  const model = new SparseMoELanguageModel({ ...config, vocabSize: tokenizer.vocabSize }, streams.init)
  const dataset = new Dataset(Int32Array.from(tokenizer.encode(text)), config.blockSize)
  const run = startRun(join(folder, name), { model, tokenizer, dataset, config, streams, tracker: 'jsonl', warn: () => {} })
  await run.train()
  await run.close()
  return { path: run.path, dataset }
}

test.each<[string, TokenizerKind]>([
  ['char', CharTokenizer],
  ['word', WordTokenizer],
  ['byte', ByteTokenizer],
])('%s: saved with the run, and loaded without being given again', async (name, kind) => {
  const { path, dataset } = await trained(name, kind.fromText(text))
  const { tokenizer } = loadCheckpoint(path)
  expect(Array.from(tokenizer.encode(text))).toEqual(Array.from(kind.fromText(text).encode(text)))
  const saved = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
  expect([saved.vocabulary !== undefined, saved.tokenizer?.name]).toEqual([name === 'char', name === 'char' ? undefined : name])
  const later = resumeRun(path, { dataset, steps: 3, tracker: 'jsonl' })
  expect(await later.train()).toBe(true)
  await later.close()
})

test("a cell's own is a part: recorded, asked for again, and taken", async () => {
  const { path, dataset } = await trained('backwards', backwards.fromText(text))
  expect(() => loadCheckpoint(path)).toThrow(/the parts tokenizer of a notebook; give them again/)
  expect(() => resumeRun(path, { dataset })).toThrow(/tokenizer/)
  const parts = { tokenizer: backwards }
  const begin = [...text].slice(0, dataset.splits.train.length).join('')
  expect(loadCheckpoint(path, parts).tokenizer.decode(dataset.splits.train)).toBe(begin)
  const later = resumeRun(path, { dataset, steps: 3, parts, tracker: 'jsonl' })
  expect(await later.train()).toBe(true)
  await later.close()
})

test('what is no tokenizer is refused before a folder is made', async () => {
  const { state: _state, ...stateless } = backwards.fromText(text)
  await expect(trained('stateless', stateless as Tokenizer)).rejects.toThrow(
    /without state\(\), expected encode, decode, vocabSize and state/,
  )
})
