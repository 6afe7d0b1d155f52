/** The notebooks as they are committed; that they run is checked by `npm run notebooks` and in-jupyterlab.mjs. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

interface Cell {
  cell_type: 'code' | 'markdown'
  source: string[] | string
  outputs?: { output_type: string; name?: string; text?: string[] | string; data?: Record<string, string | string[]> }[]
  execution_count?: number | null
}

const folder = join(__dirname, '../../notebooks')
const names = readdirSync(folder).filter((name) => name.endsWith('.ipynb'))
const joined = (text: string[] | string | undefined): string => [text ?? ''].flat().join('')
const read = (name: string): { raw: string; cells: Cell[] } => {
  const raw = readFileSync(join(folder, name), 'utf8')
  return { raw, cells: JSON.parse(raw).cells }
}

/** The steps of the training that each shows. */
const trainings: Readonly<Record<string, number>> = {
  'makeMoE_Concise.ipynb': 5000,
  'makeMoE_Routing_Laboratory.ipynb': 1000,
  'makeMoE_from_Scratch.ipynb': 5000,
  'makeMoE_from_Scratch_with_Expert_Capacity.ipynb': 5000,
}

test('all four are there', () => {
  expect(names.sort()).toEqual(Object.keys(trainings))
})

describe.each(names)('%s', (name) => {
  const { raw, cells } = read(name)
  const code = cells.filter((cell) => cell.cell_type === 'code')
  const outputs = code.flatMap((cell) => cell.outputs ?? [])
  test('small cells: code of 4 to 6 lines in the middle, markdown of at most 80 words', () => {
    const lines = code.map((cell) => joined(cell.source).split('\n').length).sort((a, b) => a - b)
    expect(lines[Math.floor(lines.length / 2)]).toBeGreaterThanOrEqual(4)
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(6)
    for (const cell of code) {
      const source = joined(cell.source)
      const modelClass = name === 'makeMoE_Concise.ipynb' && source.startsWith('class ')
      if (!modelClass) expect(source.split('\n').length, source).toBeLessThanOrEqual(25)
    }
    for (const cell of cells.filter((cell) => cell.cell_type === 'markdown')) {
      const words = joined(cell.source)
        .replace(/[|#*`-]/g, ' ')
        .split(/\s+/)
        .filter(Boolean)
      expect(words.length, words.slice(0, 8).join(' ')).toBeLessThanOrEqual(80)
    }
  })
  test('run to the end in order', () => {
    expect(code.map((cell) => cell.execution_count)).toEqual(code.map((_, i) => i + 1))
  })
  test('hold no error', () => {
    expect(outputs.filter((output) => output.output_type === 'error' || output.name === 'stderr')).toEqual([])
  })
  test('outputs are short, figures have pictures, and nothing names the machine', () => {
    expect(statSync(join(folder, name)).size).toBeLessThan(3e6)
    for (const output of outputs) {
      expect(joined(output.text).split('\n').length).toBeLessThanOrEqual(31)
      const { data = {} } = output
      const figure = data['application/vnd.plotly.v1+json']
      if (figure) {
        // For pages that run nothing. Not a PNG: JupyterLab would show it in the figure's place, wider than the page.
        expect(joined(data['image/svg+xml'])).toContain('</svg>')
        expect(data['image/png']).toBeUndefined()
      }
    }
    expect(raw).not.toMatch(/\/(home|root|work|Users|tmp)\//)
  })
  test('the committed training is the full one', () => {
    const shown = outputs.map((output) => joined(output.data?.['text/plain'])).join('\n')
    expect(shown).toContain(`step ${trainings[name]}/${trainings[name]}`)
  })
})

test('makeMoE_Concise: each cell after "Hack this" has fewer than 25 lines, each race a name of its own', () => {
  const { cells } = read('makeMoE_Concise.ipynb')
  const start = cells.findIndex((cell) => joined(cell.source).startsWith('## Hack this'))
  const hacks = cells.slice(start).filter((cell) => cell.cell_type === 'code')
  expect(hacks.length).toBeGreaterThan(20)
  for (const { source } of hacks) expect(joined(source).split('\n').length, joined(source)).toBeLessThan(25)
  const races = hacks.flatMap(({ source }) => joined(source).match(/(?<=^await race\(')[^']+/) ?? [])
  expect(races).toEqual(expect.arrayContaining(['rotary positions', 'RMSNorm', 'Muon']))
  expect(new Set(races).size).toBe(races.length)
})
