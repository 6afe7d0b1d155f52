import { execFile } from 'node:child_process'
import { linkSync, mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { writeFileAtomic, writeFolderAtomic } from 'makemoe/dist/base/files'
import { expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-files-'))

test('writeFileAtomic leaves no partial file', () => {
  writeFileAtomic(join(folder, 'deep', 'file.txt'), 'all')
  expect(readFileSync(join(folder, 'deep', 'file.txt'), 'utf8')).toBe('all')
  expect(readdirSync(join(folder, 'deep'))).toEqual(['file.txt'])
})

test('what was there is replaced, not written over: whoever has it open reads it to its end', () => {
  const [file, sameFile] = [join(folder, 'replaced'), join(folder, 'as-it-was')]
  writeFileSync(file, 'before')
  linkSync(file, sameFile)
  writeFileAtomic(file, 'after')
  expect([file, sameFile].map((name) => readFileSync(name, 'utf8'))).toEqual(['after', 'before'])
})

test('two processes that write to one file both succeed, and one of them is there whole', async () => {
  const file = join(folder, 'shared', 'page.html')
  const write = `const { writeFileAtomic } = require('makemoe/dist/base/files')
    for (let i = 0; i < 40; i++) writeFileAtomic(process.argv[1], process.argv[2].repeat(100_000))`
  const run = (letter: string) => promisify(execFile)(process.execPath, ['-e', write, file, letter], { cwd: __dirname })
  await Promise.all(['a', 'b', 'c'].map(run))
  expect(readFileSync(file, 'utf8')).toMatch(/^(a{100000}|b{100000}|c{100000})$/)
  expect(readdirSync(join(folder, 'shared'))).toEqual(['page.html'])
})

test('what a killed process has left is removed once it is old, what another one writes is not', () => {
  const path = join(folder, 'checkpoints', 'step-10')
  writeFolderAtomic(path, { weights: '1' })
  for (const name of ['step-20.1-0.partial', 'step-20.2-0.partial', 'step-200.1-0.partial'])
    writeFileSync(join(folder, 'checkpoints', name), 'half')
  const before = new Date(Date.now() - 2 * 3_600_000)
  for (const name of ['step-20.1-0.partial', 'step-200.1-0.partial']) utimesSync(join(folder, 'checkpoints', name), before, before)
  writeFolderAtomic(join(folder, 'checkpoints', 'step-20'), { weights: '2' })
  expect(readdirSync(join(folder, 'checkpoints')).sort()).toEqual(['step-10', 'step-20', 'step-20.2-0.partial', 'step-200.1-0.partial'])
})
