/** Checksums of code change with whatever the code is made of. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeVersion, sourceVersion } from 'makemoe/dist/base/code-version'
import { expect, test, vi } from 'vitest'

test('a source file counts with every file that it names, through all of them; others do not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-code-'))
  const files: Readonly<Record<string, string>> = {
    'main.ts': "import { a } from './a'\nimport b from './deep/b.js'\nexport const c = () => import('./c')\nimport 'makemoe'",
    'a.ts': 'export const a = require("./a.json").a',
    'a.json': '1',
    'deep/b.ts': "export { d as default } from '../d/'",
    'd/index.ts': "export const d = 1; import '../main'",
    'c.ts': 'readFileSync(`./weights.bin`)',
    'weights.bin': '1',
  }
  mkdirSync(join(folder, 'deep'))
  mkdirSync(join(folder, 'd'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'unrelated.ts'), '1')
  const version = () => sourceVersion(join(folder, 'main.ts'))
  const before = version()
  expect(version()).toBe(before)
  const versions = Object.entries(files).map(([name, text]) => {
    writeFileSync(join(folder, name), `${text} `)
    return version()
  })
  expect(new Set([before, ...versions]).size).toBe(1 + versions.length)
  writeFileSync(join(folder, 'unrelated.ts'), '2')
  expect(version()).toBe(versions.at(-1))
})

test('a file that is named without a path, and the variables of the environment that are named, count too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-code-'))
  const main = join(folder, 'main.ts')
  const source = `// it's read where it lies
    readFileSync(join(__dirname, 'width.txt')); readFileSync(\`\${__dirname}/depth.txt\`)
    Number(process.env.MAKEMOE_WIDTH); process.env['MAKEMOE_DEPTH']`
  writeFileSync(main, source)
  const version = (change: () => void) => {
    change()
    return sourceVersion(main)
  }
  const variable = (name: string, value: string | undefined) => () => void vi.stubEnv(name, value)
  const text = (name: string, value: string) => () => writeFileSync(join(folder, name), value)
  const versions = [
    () => {},
    text('width.txt', '1'),
    text('width.txt', '2'),
    text('depth.txt', '1'),
    text('depth.txt', '2'),
    variable('MAKEMOE_WIDTH', ''),
    variable('MAKEMOE_WIDTH', '3'),
    variable('MAKEMOE_DEPTH', '3'),
  ].map(version)
  expect(new Set(versions).size).toBe(versions.length)
  expect(version(variable('MAKEMOE_OTHER', '3'))).toBe(versions.at(-1))
  expect(version(text('other.txt', '3'))).toBe(versions.at(-1))
  vi.unstubAllEnvs()
})

test('the compiled code counts file by file, in the rooms that are named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'makemoe-code-'))
  for (const room of ['one', 'two']) mkdirSync(join(folder, room))
  writeFileSync(join(folder, 'one', 'a.js'), '1')
  const [one, all] = [codeVersion(['one'], folder), codeVersion(['.'], folder)]
  writeFileSync(join(folder, 'two', 'b.js'), '1')
  expect(codeVersion(['one'], folder)).toBe(one)
  expect(codeVersion(['.'], folder)).not.toBe(all)
  writeFileSync(join(folder, 'one', 'a.js'), '2')
  expect(codeVersion(['one'], folder)).not.toBe(one)
  const without = codeVersion(['one', 'two'], folder, ['one/a'])
  writeFileSync(join(folder, 'one', 'a.js'), '3')
  expect(codeVersion(['one', 'two'], folder, ['one/a'])).toBe(without)
  writeFileSync(join(folder, 'two', 'b.js'), '3')
  expect(codeVersion(['one', 'two'], folder, ['one/a'])).not.toBe(without)
})
