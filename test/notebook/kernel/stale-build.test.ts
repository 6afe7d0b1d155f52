import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { StaleBuild, watchBuild } from 'makemoe/dist/notebook/kernel/stale-build'
import { afterEach, beforeEach, expect, test } from 'vitest'

let lib: string
let isLoaded: boolean
/** Makes a file of lib that was changed at a time, in seconds. */
const write = (name: string, at: number): void => {
  mkdirSync(dirname(join(lib, name)), { recursive: true })
  writeFileSync(join(lib, name), '')
  utimesSync(join(lib, name), at, at)
}
beforeEach(() => {
  lib = mkdtempSync(join(tmpdir(), 'lib-'))
  isLoaded = false
  write('index.ts', 1)
  write('makemoe/moe/router/topk.ts', 2)
  write('dist/index.d.ts', 3)
  write('dist/tsconfig.tsbuildinfo', 3)
})
afterEach(() => rmSync(lib, { recursive: true }))

const importing = 'const makemoe_1 = require("makemoe");'

test('a file that was edited after lib was compiled is named by the cell that imports lib', () => {
  const build = new StaleBuild(() => isLoaded, lib)
  expect(build.note(importing)).toBeUndefined()
  write('makemoe/moe/router/topk.ts', 10)
  write('dist/index.d.ts', 11)
  for (const code of [importing, 'require("makemoe/dist/makemoe/moe/sparse-moe")'])
    expect(build.note(code)).toBe(
      'lib/makemoe/moe/router/topk.ts was edited after lib was compiled, and runs as it was: `npm run build`, then restart the kernel',
    )
  for (const code of ['', 'const other = require("makemoe-other")', 'plan("makemoe")']) expect(build.note(code)).toBeUndefined()
  write('dist/tsconfig.tsbuildinfo', 12)
  expect(build.note(importing)).toBeUndefined()
})

test('lib that was compiled again after it was loaded: every importing cell says so, and the next other one', () => {
  const build = new StaleBuild(() => isLoaded, lib)
  isLoaded = true
  expect(build.note('')).toBeUndefined()
  write('dist/show/page/tsconfig.tsbuildinfo', 20)
  const message = 'lib was compiled again since this kernel loaded it, and runs as it was: restart the kernel'
  expect(build.note(importing)).toBe(message)
  expect(build.note(importing)).toBe(message)
  expect(build.note('')).toBe(message)
  expect(build.note('')).toBeUndefined()
  expect(build.note(importing)).toBe(message)
})

test('a checkout is watched', () => {
  expect(watchBuild()).toBeInstanceOf(StaleBuild)
})
