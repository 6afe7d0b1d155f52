/** `--text shakespeare`: which text it is, and how it is split. Texts that pip cannot bring: texts-by-pip.slow.test.ts. */
import { createHash } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CharTokenizer, TextError } from 'makemoe'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { corpusOf, recordedPath } from 'makemoe/dist/cli/text-option'
import { datasetOf } from 'makemoe/dist/makemoe/text/dataset'
import { afterEach, expect, test, vi } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-text-option-'))
const own = join(folder, 'own.txt')
const ownText = 'To be, or not to be. '.repeat(20)
writeFileSync(own, ownText)
const sha256 = createHash('sha256').update(ownText).digest('hex')

afterEach(() => vi.restoreAllMocks())

/** The plays in a file of this test. */
function playsIn(name: string): string {
  const file = join(folder, name)
  vi.spyOn(paths, 'shakespeare').mockReturnValue(file)
  return file
}

test('plays that somebody changed are refused', async () => {
  writeFileSync(playsIn('changed.txt'), 'changed')
  await expect(corpusOf({ text: 'shakespeare' })).rejects.toThrow(TextError)
  await expect(corpusOf({ text: 'shakespeare' })).rejects.toThrow(/changed\.txt is not what the setup made.*remove it/)
})

test('the plays are recorded by name, whether they were asked for by name or by their file; other files by their path', () => {
  const file = playsIn('plays.txt')
  expect(['shakespeare', file].map(recordedPath)).toEqual(['shakespeare', 'shakespeare'])
  expect(recordedPath(own)).toBe(own)
  expect(recordedPath('./shakespeare')).toBe(join(process.cwd(), 'shakespeare'))
  expect(recordedPath(undefined)).toBeUndefined()
})

test('the name wins over a file called shakespeare, and says so; ./shakespeare is the file', async () => {
  writeFileSync(playsIn('plays.txt'), 'not the plays')
  writeFileSync(join(folder, 'shakespeare'), 'mine')
  const said = vi.spyOn(console, 'error').mockImplementation(() => {})
  vi.spyOn(process, 'cwd').mockReturnValue(folder)
  expect((await corpusOf({ text: join(folder, 'shakespeare') })).text).toBe('mine')
  expect(said).not.toHaveBeenCalled()
})

test('a text with a recorded split has it again where it is the same text, whatever it is called; another text has the usual one', async () => {
  const split = async (recorded: Parameters<typeof corpusOf>[1], text?: string) => {
    const corpus = await corpusOf(text === undefined ? {} : { text }, recorded)
    return datasetOf(CharTokenizer.fromText(corpus.pieces()), corpus, 4).splits.train.length
  }
  expect(await split({ path: own, sha256, trainCharacters: 300 })).toBe(300)
  expect(await split({ path: '/elsewhere', sha256, trainCharacters: 300 }, own)).toBe(300)
  expect(await split({ path: own, sha256 })).toBe(378)
  expect(await split({ path: own, sha256: '0'.repeat(64), trainCharacters: 300 })).toBe(378)
})
