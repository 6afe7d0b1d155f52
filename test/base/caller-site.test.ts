import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { callerSite, withDeepStacks } from 'makemoe/dist/base/caller-site'
import { afterEach, expect, test } from 'vitest'

const { stackTraceLimit } = Error
afterEach(() => {
  Error.stackTraceLimit = stackTraceLimit
})

const nested = (calls: number, run: () => unknown): unknown => (calls === 0 ? run() : nested(calls - 1, run))
const thrown = (run: () => unknown): Error => {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('nothing was thrown')
}
const fails = (): never => {
  throw new Error('deep')
}

test('an error far below the caller has its line, and the limit is as before, also after an error', () => {
  Error.stackTraceLimit = 10
  const theCaller = (): unknown => nested(40, fails)
  expect(thrown(theCaller).stack).not.toContain('theCaller')
  expect(thrown(() => withDeepStacks(theCaller)).stack).toContain('theCaller')
  expect(Error.stackTraceLimit).toBe(10)
  expect(callerSite(thrown(fails))).toMatch(/^fails .*caller-site\.test\.ts:\d+/)
})

test('a limit that the code sets meanwhile stays, as does a higher one', () => {
  withDeepStacks(() => {
    Error.stackTraceLimit = 3
  })
  expect(Error.stackTraceLimit).toBe(3)
  Error.stackTraceLimit = 200
  expect(withDeepStacks(() => Error.stackTraceLimit)).toBe(200)
})

test('no other file of lib changes the limit', () => {
  const lib = join(__dirname, '../../lib')
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => /^(?!dist|node_modules).*\.(ts|mjs)$/.test(file))
  expect(files.length).toBeGreaterThan(300)
  expect(files.filter((file) => readFileSync(join(lib, file), 'utf8').includes('stackTraceLimit'))).toEqual(['base/caller-site.ts'])
})
