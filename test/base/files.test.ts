import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-files-'))

test('writeFileAtomic leaves no partial file', () => {
  writeFileAtomic(join(folder, 'deep', 'file.txt'), 'all')
  expect(readFileSync(join(folder, 'deep', 'file.txt'), 'utf8')).toBe('all')
  expect(existsSync(join(folder, 'deep', 'file.txt.partial'))).toBe(false)
})
