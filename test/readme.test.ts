import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importFile } from 'makemoe/dist/cli/parts'
import { expect, test, vi } from 'vitest'

const root = join(__dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

test('the README has few topics', () => expect(readme.match(/^## /gm)?.length).toBeLessThanOrEqual(10))

test('its SparseMoE runs as it stands', async () => {
  const [, snippet = ''] = /```ts\n(import .*?)```/s.exec(readme) ?? []
  expect(snippet.trim().split('\n').length).toBeLessThanOrEqual(8)
  const file = join(mkdtempSync(join(tmpdir(), 'makemoe-readme-')), 'snippet.ts')
  writeFileSync(file, snippet)
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  await importFile(file, 'README.md')
  const [, expected = ''] = /shape\) \/\/ (\[.*\])/.exec(snippet) ?? []
  expect(log.mock.calls).toEqual([[JSON.parse(expected)]])
  log.mockRestore()
})

test('each row of the table of parts shows the line of its own part', () => {
  const rows = [
    ...readme.matchAll(/^\| [\w ]+ \| `(lib\/[^`]*)` \| (?:in `([^`]*)`|same file).*?: `(\w+)(: [^`]*)` \| `--[\w-]+ (\w+)[^`]*` \|$/gm),
  ]
  expect(rows.length).toBe(6)
  let table = ''
  for (const [, file = '', other, name = '', line = '', option] of rows) {
    table = other ?? table
    expect(option).toBe(name)
    expect(file.endsWith(`/${name}.ts`), file).toBe(true)
    expect(readFileSync(join(root, table), 'utf8')).toContain(`  ${name}${line.replace(/ ?\.\.\..*$/, '')}`)
  }
})

test('its code map names every room of lib', () => {
  const rooms = readdirSync(join(root, 'lib'), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !/dist|node_modules/.test(entry.name),
  )
  for (const { name } of rooms) expect(readme).toMatch(new RegExp(`^lib/${name}/ `, 'm'))
  for (const [, file = ''] of readme.matchAll(/`((?:text|nn|moe|model|train)\/[\w/-]+\.ts)`/g))
    expect(existsSync(join(root, 'lib/makemoe', file)), file).toBe(true)
})

// Its command lines are run by test/readme-commands.mjs.
test('files that it names are there', () => {
  const files = [...readme.matchAll(/\b(?:lib|test|data|notebooks)\/[\w./-]+\.(?:ts|py|json|md|ipynb)\b/g)].map(([file]) => file)
  expect(files.length).toBeGreaterThan(3)
  for (const file of files) expect(existsSync(join(root, file)), file).toBe(true)
  for (const [, name] of readme.matchAll(/`(makeMoE_\w+)`/g)) expect(existsSync(join(root, 'notebooks', `${name}.ipynb`)), name).toBe(true)
})

test('its losses are those of data/curves.json', () => {
  type Curve = { steps: number[]; train: number[]; val: number[] }
  const curves = JSON.parse(readFileSync(join(root, 'data/curves.json'), 'utf8')) as Record<string, Curve>
  const cell = (name: string, step: number): string => {
    const { steps, train, val } = curves[name] as Curve
    const i = steps.indexOf(step)
    return `${train[i]?.toFixed(4)} / ${val[i]?.toFixed(4)}`
  }
  const rows = [...readme.matchAll(/^\| ([\d,]+) \| [\d. /]+ \| ([\d. /]+) \| ([\d. /]+) \|$/gm)]
  expect(rows).toHaveLength(5)
  for (const [, shown, makemoe, standard] of rows) {
    const step = Number(shown?.replace(',', ''))
    expect([shown, makemoe, standard]).toEqual([shown, cell('makemoe-1337-400', step), cell('default-1337', step)])
  }
})
