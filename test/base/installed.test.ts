import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandLine, isInstalled } from 'makemoe/dist/base/installed'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { cachedTensorflow, findLibraries, userCache } from 'makemoe/dist/engine/tensorflow/libraries'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'installed-'))
const root = join(folder, 'node_modules/makemoe')
beforeAll(() => {
  mkdirSync(root, { recursive: true })
  cpSync(join(__dirname, '../../lib/dist'), join(root, 'dist'), { recursive: true })
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true }))

/** A module of lib as it lies in somebody's node_modules. */
const installed = <T>(module: string): T => require(join(root, 'dist', module)) as T

test('in the project, commands are npm scripts and files lie in it', () => {
  expect(isInstalled()).toBe(false)
  expect(commandLine('setup')).toBe('npm run setup')
  expect(commandLine('mlflow', '--sync runs/a')).toBe('npm run mlflow -- --sync runs/a')
  expect(paths.text()).toBe(join(__dirname, '../../data/input.txt'))
  expect(findLibraries().framework).toContain(join(__dirname, '../../.venv'))
})

test("an installed package's commands are npx's; TensorFlow lies in the user's cache, runs in the working folder", () => {
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  const package_ = installed<{ commandLine: typeof commandLine }>('base/installed')
  expect(package_.commandLine('mlflow', '--sync runs/a')).toBe('npx makemoe mlflow --sync runs/a')
  const { paths } = installed<typeof import('makemoe/dist/cli/setup/paths')>('cli/setup/paths')
  expect(paths.tensorflow(false)).toMatch(/cache\/makemoe\/tensorflow-[\d.]+-\w+-\w+$/)
  expect(paths.tensorflow(true)).toBe(`${paths.tensorflow(false)}-gpu`)
  expect(paths.runs()).toBe(join(process.cwd(), 'runs'))
  expect(paths.kernelspec()).toBe(join(folder, 'node_modules/makemoe/jupyter/kernels/tslab'))
})

test('without TensorFlow in the cache, the remedy is the command that brings it', () => {
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'))
  const libraries = installed<{ findLibraries: typeof findLibraries }>('engine/tensorflow/libraries')
  expect(() => libraries.findLibraries()).toThrow(expect.objectContaining({ remedy: 'run npx makemoe setup' }))
})

test('the cache is where XDG says, if that is an absolute path', () => {
  vi.stubEnv('XDG_CACHE_HOME', '/somewhere')
  expect(userCache()).toBe('/somewhere/makemoe')
  for (const value of ['', 'relative']) {
    vi.stubEnv('XDG_CACHE_HOME', value)
    expect(userCache()).toMatch(/\/\.cache\/makemoe$/)
  }
  expect(cachedTensorflow(false)).not.toBe(cachedTensorflow(true))
})

test("the package's license is the project's", () => {
  const read = (file: string): string => readFileSync(join(__dirname, '../..', file), 'utf8')
  expect(read('lib/LICENSE')).toBe(read('LICENSE'))
})
