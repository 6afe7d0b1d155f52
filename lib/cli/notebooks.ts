/**
 * `makemoe notebooks`: runs the notebooks in a real kernel and looks at what came out. In short form it checks; in full it trains, adds a
 * picture to each figure for pages that run nothing, and keeps the outputs.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MakemoeError, SetupError } from '../errors'
import { writeFileWhole } from '../files'
import { paths, projectRoot } from './setup/paths'

/** A notebook that does not run, or lacks something that it should show. */
export class NotebookError extends MakemoeError {
  override name = 'NotebookError'
}

interface Output {
  output_type: string
  name?: string
  text?: string | string[]
  data?: Record<string, unknown>
}

interface Cell {
  cell_type: string
  source: string | string[]
  metadata: Record<string, unknown>
  outputs?: Output[]
  execution_count?: number | null
}

interface Notebook {
  cells: Cell[]
}

const plotlyType = 'application/vnd.plotly.v1+json'

/** What each notebook must show: titles of figures, number of drawings, words in its printed output. */
const expectations = {
  makeMoE_from_Scratch: {
    drawings: 5,
    figures: [
      'The 65 characters of the text',
      'Attention weights without the scale',
      'Top-k gates (left) and the softmax over all experts (right)',
      'Who is chosen for one token, over many draws',
      '32 tokens through 8 small experts',
      'Parameters of model (click to look inside)',
      'Training, without capacity',
      'Who does the work in each layer',
      'First choice of each character, layer 7',
      'Each character on the colour of its first expert',
    ],
    words: [
      '65 characters',
      'hii there',
      'all three agree',
      '8.996545 M parameters, 2.674369 M of them active',
      'the block above and lib agree',
      'by hand 4.1744, crossEntropy 4.1744, ln 65 = 4.1744',
      '20 equal losses',
    ],
  },
  makeMoE_from_Scratch_with_Expert_Capacity: {
    drawings: 6,
    figures: [
      'In the order of tokens, as the original',
      'By rank of choice, then gate, as our default',
      'Whose tokens are dropped',
      'What the capacity factor costs and saves',
      'Training, capacity factor 1',
      'What capacity costs (validation)',
    ],
    words: ['factor 1: 128 of 1024 pairs', '3 characters: capacity 0 as the original'],
  },
  makeMoE_Concise: {
    drawings: 0,
    figures: ['Training, concise', 'sigmoid router', 'SwiGLU experts', 'Xavier start', 'balancing loss'],
    words: ['8.996545 M parameters', 'ln 65 is 4.174', 'MatMul of [16, 64], [128, 65]', '`return tf.matMul(row, model.head.weight);`'],
  },
} as const

export type NotebookName = keyof typeof expectations
export const notebookNames = Object.keys(expectations) as NotebookName[]

const textOf = (output: Output): string => (Array.isArray(output.text) ? output.text.join('') : (output.text ?? ''))

/** A figure's title. */
const titleOf = (output: Output): string | undefined => {
  const figure = output.data?.[plotlyType] as { layout?: { title?: { text?: string } } } | undefined
  return figure?.layout?.title?.text
}

/**
 * Looks at an executed notebook.
 * @throws NotebookError that names what is wrong
 */
export function checkNotebook(name: NotebookName, notebook: Notebook): void {
  const wrong = (problem: string): NotebookError => new NotebookError(`${name}: ${problem}`)
  const outputs = notebook.cells.flatMap(({ outputs = [] }) => outputs)
  const stderr = outputs.find((output) => output.output_type === 'error' || output.name === 'stderr')
  if (stderr) throw wrong(`a cell wrote an error: ${textOf(stderr).slice(0, 500)}`)
  const { drawings, figures, words } = expectations[name]
  const titles = new Set(outputs.map(titleOf))
  for (const title of figures) if (!titles.has(title)) throw wrong(`the figure '${title}' is missing`)
  const drawn = outputs.filter(({ data }) => data?.['image/svg+xml']).length
  if (drawn !== drawings) throw wrong(`got ${drawn} drawings, expected ${drawings}`)
  const printed = outputs.map(textOf).join('\n')
  for (const word of words) if (!printed.includes(word)) throw wrong(`the text '${word}' is missing`)
}

/** Runs a notebook; resolves with it and its outputs. */
async function execute(name: NotebookName, scratch: string, steps: number | undefined, checks: readonly string[]): Promise<Notebook> {
  const target = join(scratch, `${name}.ipynb`)
  const env = { ...process.env, ...(steps === undefined ? {} : { MAKEMOE_STEPS: String(steps) }) }
  const args = [paths.beside('../notebooks/execute.py'), join('notebooks', `${name}.ipynb`), target, ...checks]
  const child = spawn(paths.python(), args, { cwd: projectRoot(), env, stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-5000)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new NotebookError(`${name} did not run to its end:\n${stderr}`)
  return JSON.parse(readFileSync(target, 'utf8')) as Notebook
}

/** Adds a PNG to each figure. */
async function addPictures(notebook: Notebook): Promise<void> {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] }).catch((error: Error) => {
    throw new SetupError(`no Chromium at ${executablePath}: ${error.message.split('\n')[0]}`, 'install chromium or set CHROMIUM to it')
  })
  try {
    const page = await browser.newPage()
    await page.addScriptTag({ path: require.resolve('plotly.js-dist-min/plotly.min.js') })
    for (const output of notebook.cells.flatMap(({ outputs = [] }) => outputs)) {
      const figure = output.data?.[plotlyType] as { layout: { width: number; height: number } } | undefined
      if (!figure || !output.data) continue
      const { width, height } = figure.layout
      const draw = `Plotly.toImage(${JSON.stringify(figure)}, { format: 'png', width: ${width}, height: ${height} })`
      const url = (await page.evaluate(draw)) as string
      output.data['image/png'] = url.slice(url.indexOf(',') + 1)
    }
  } finally {
    await browser.close()
  }
}

/** Steps that a short run trains. */
const shortSteps = 12

/**
 * Runs notebooks.
 * @param full with full training, keeping the outputs
 * @throws NotebookError
 */
export async function runNotebooks(names: readonly NotebookName[], full: boolean): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-notebooks-'))
  try {
    for (const name of names) {
      const start = Date.now()
      const checks = name === 'makeMoE_Concise' ? [join(projectRoot(), 'test/notebooks/concise-equals-lib.cell.txt')] : []
      const notebook = await execute(name, scratch, full ? undefined : shortSteps, checks)
      checkNotebook(name, notebook)
      const [check] = notebook.cells.filter(({ metadata }) => metadata.check)
      if (checks.length > 0 && !check?.outputs?.map(textOf).join('').includes('concise equals lib'))
        throw new NotebookError(`${name}: its model could not be compared with lib's`)
      if (full) {
        const kept = { ...notebook, cells: notebook.cells.filter(({ metadata }) => !metadata.check) }
        // The kernel tells JupyterLab its numbers, but not who runs a notebook without a page.
        for (const [i, cell] of kept.cells.filter(({ cell_type }) => cell_type === 'code').entries()) cell.execution_count = i + 1
        await addPictures(kept)
        writeFileWhole(join(projectRoot(), 'notebooks', `${name}.ipynb`), `${JSON.stringify(kept, null, 1)}\n`)
      }
      console.log(`${name}: good (${Math.round((Date.now() - start) / 1000)} s)`)
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
