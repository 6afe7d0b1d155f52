import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(__dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')

test('the README is short', () => expect(readme.split(/\s+/).length).toBeLessThan(1200))

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
