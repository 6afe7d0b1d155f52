import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
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

/** Files and folders that commands write. */
const written = [
  'checkpoints/',
  'config.json',
  'measurements/',
  'mlflow/',
  'runs/',
  'sample.txt',
  'data/input.txt',
  'input.txt',
  'shakespeare.txt',
  'shakespeare-license.txt',
  './shakespeare',
]

// Its command lines are run by test/readme-commands.mjs.
test.each([
  ['README.md', ['', 'lib/makemoe', 'data/runs']],
  ['.github/CONTRIBUTING.md', ['']],
  ['data/README.md', ['', 'data']],
  ['lib/README.md', ['']],
  ['lib/makemoe/README.md', ['lib/makemoe']],
  ['lib/engine/README.md', ['lib/engine']],
])('every path in %s is there', (name, folders) => {
  const text = readFileSync(join(root, name), 'utf8')
  const file = String.raw`[\w./-]+\.(?:ts|mjs|sh|py|json|md|ipynb|svg|png|txt|css|wat)`
  const quoted = [...text.matchAll(new RegExp(`\`(${file}|[\\w.-]+/(?:[\\w.-]+/?)*)\``, 'g'))].map(([, path = '']) => path)
  const linked = [...text.matchAll(/\]\(((?!https?:|#)[^)\s]+)\)/g)].map(([, path = '']) => join(dirname(name), path))
  const commands = [...text.matchAll(new RegExp(String.raw`\b(?:lib|test|notebooks)/${file}\b`, 'g'))].map(([path]) => path)
  for (const path of [...quoted, ...linked, ...commands].filter((path) => !written.includes(path)))
    expect(
      ['', ...folders].some((folder) => existsSync(join(root, folder, path))),
      path,
    ).toBe(true)
  for (const [, notebook] of text.matchAll(/\b(makeMoE_\w+)\b/g))
    expect(existsSync(join(root, 'notebooks', `${notebook}.ipynb`)), notebook).toBe(true)
})

test('every command in the READMEs and the notebooks is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const notebooks = readdirSync(join(root, 'notebooks')).filter((name) => name.endsWith('.ipynb'))
  const files = ['README.md', '.github/CONTRIBUTING.md', 'data/README.md', ...notebooks.map((name) => `notebooks/${name}`)]
  const named = files.flatMap((name) => [...readFileSync(join(root, name), 'utf8').matchAll(/\bnpm run (?:-s )?([\w:-]+)/g)])
  expect(named.length).toBeGreaterThan(30)
  for (const [text, script = ''] of named) expect(Object.keys(scripts), text).toContain(script)
})

test('its losses are those of data/curves.json', () => {
  type Curve = { steps: number[]; train: number[]; val: number[] }
  const curves = JSON.parse(readFileSync(join(root, 'data/curves.json'), 'utf8')) as Record<string, Curve>
  const cell = (name: string, step: number): string => {
    const { steps, train, val } = curves[name] as Curve
    const i = steps.indexOf(step)
    return `${train[i]?.toFixed(4)} / ${val[i]?.toFixed(4)}`
  }
  const rows = [...readme.matchAll(/^\| ([\d,]+) \| [\d. /]+ \| ([\d. /]+) \| ([\d. /]+) \| ([\d. /]+) \|$/gm)]
  expect(rows).toHaveLength(5)
  for (const [, shown, ...losses] of rows) {
    const step = Number(shown?.replace(',', ''))
    expect([shown, ...losses]).toEqual([shown, ...['makemoe-1337-400', 'corrected-1337', 'default-1337'].map((name) => cell(name, step))])
  }
})
