/** A clone with `core.autocrlf=true`, as git on Windows and under WSL2 often has it. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readSource } from 'makemoe/dist/show/page/source'
import { afterAll, expect, test } from 'vitest'

const root = join(__dirname, '..')
const scratch = mkdtempSync(join(tmpdir(), 'makemoe-clone-'))
afterAll(() => rmSync(scratch, { recursive: true }))

// A downloaded archive has no history to clone.
test.skipIf(!existsSync(join(root, '.git')))('a clone with core.autocrlf=true has the bytes of the repository', () => {
  const clone = join(scratch, 'clone')
  execFileSync('git', ['clone', '-q', '-c', 'core.autocrlf=true', '--depth', '1', `file://${root}`, clone])
  const listed = execFileSync('git', ['-C', clone, 'ls-tree', '-r', '-l', 'HEAD'], { encoding: 'utf8' }).trim().split('\n')
  const sizes = listed.map((line) => /(\d+)\t(.*)$/.exec(line)).map((match) => [match?.[2] ?? '', Number(match?.[1])] as const)
  expect(sizes.length).toBeGreaterThan(300)
  for (const [file, size] of sizes) expect([file, statSync(join(clone, file)).size]).toEqual([file, size])
  expect(readFileSync(join(clone, 'lib/show/page/page.css'), 'utf8')).not.toContain('\r')
})

test('what goes into a page has line feeds, whatever the checkout has', () => {
  const file = join(scratch, 'style.css')
  writeFileSync(file, 'a { }\r\nb { }\rc { }\n')
  expect(readSource(file)).toBe('a { }\nb { }\nc { }\n')
})
