/** Which tests a file of lib has: tests mirror lib's tree. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The tests that begin with a file's name, or where there are none those of its folder, or of the nearest one above that has some.
 * @param file from lib, without its extension: makemoe/moe/router/topk
 * @returns paths from this folder; no slow tests
 */
export function testsOf(file: string): string[] {
  const folder = dirname(file)
  const own = testsIn(folder).filter((test) => test.startsWith(`${file}.`) || test.startsWith(`${file}-`))
  if (own.length > 0) return own
  for (let at = folder; ; at = dirname(at)) {
    const tests = testsIn(at)
    if (tests.length > 0 || at === '.') return tests
  }
}

function testsIn(folder: string): string[] {
  const path = join(__dirname, folder)
  const names = existsSync(path) ? readdirSync(path) : []
  return names.filter((name) => name.endsWith('.test.ts') && !name.endsWith('.slow.test.ts')).map((name) => join(folder, name))
}
