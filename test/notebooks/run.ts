/**
 * `makemoe notebooks`: runs the notebooks in a real kernel and looks at what came out. In short form it checks; in full it trains, adds a
 * picture to each figure for pages that run nothing, and keeps the outputs.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { keysOf } from '../base/assertions'
import { MakemoeError } from '../base/errors'
import { writeFileAtomic } from '../base/files'
import { keepCurves } from './notebooks/curves'
import { joined, type Notebook, type Output, outputsOf, plotlyType, titleOf } from './notebooks/notebook'
import { addPictures, requireChromium } from './notebooks/pictures'
import { paths, projectRoot } from './setup/paths'

/** A notebook that does not run, or lacks something that it should show. */
export class NotebookError extends MakemoeError {
  override name = 'NotebookError'
}

/** What each notebook must show: titles of figures, number of drawings, words in its printed output. */
const expectations = {
  makeMoE_from_Scratch: {
    drawings: 5,
    figures: [
      'The 65 characters of the text',
      'Attention weights without the scale',
      'Top-k gates (left), softmax over all experts (right)',
      'Who is chosen for one token, over many draws',
      '512 tokens through 8 experts',
      'Parameters of the model (click to look inside)',
      'Training, without capacity',
      'Who does the work in each layer',
      'First choice of each character, layer 7',
      'Characters in the color of their expert, layer 0',
    ],
    words: [
      '65 characters',
      'hii there',
      'all three agree',
      '8.996545 M parameters, 2.674369 M of them active',
      "our model and lib's agree",
      'by hand 4.1744, crossEntropy 4.1744',
      'step 20:',
    ],
  },
  makeMoE_from_Scratch_with_Expert_Capacity: {
    drawings: 7,
    figures: [
      'In token order, as in the original',
      'By choice, then gate, as in our default',
      'Whose tokens are dropped',
      'What the capacity factor costs and saves',
      'What two processes wait and send',
      'Training, capacity factor 1',
      'What capacity costs (validation)',
    ],
    words: ['factor 1: at most 128 pairs', 'token 5 (gate 0.95): expert 0 is full with 0, 1, 2, 3', 'as in lib', 'length 3: capacity 0'],
  },
  makeMoE_Concise: {
    drawings: 0,
    figures: [
      'Training, concise',
      'sigmoid router',
      'SwiGLU experts',
      'shared expert',
      'capacity factor 1',
      'expert choice',
      'Xavier start',
      'balancing loss',
      'four choices',
    ],
    words: [
      '8.996545 M parameters',
      'ln 65 is 4.174',
      'balanced: 0.0100',
      'MatMul of [16, 64], [128, 65]',
      '`return tf.matMul(row, model.head.weight);`',
    ],
  },
  makeMoE_Routing_Laboratory: {
    drawings: 1,
    figures: [
      'Training, to be watched',
      'Who does the work in each layer',
      'Chosen together, layer 7',
      'Characters in the color of their expert, layer 0',
      'Characters in the color of their expert, layer 7',
      'Validation loss of each seed',
      'Validation loss against steps',
      'Validation loss against FLOPs',
      'Validation loss against seconds',
      'What is lost without one expert',
      'Saturation',
    ],
    words: ['8 layers, 2048 tokens', 'sequence: by hand', 'dense, equal active parameters', 'experts at random'],
  },
} as const

export type NotebookName = keyof typeof expectations
export const notebookNames = keysOf(expectations)

const textOf = (output: Output): string => joined(output.text)

/**
 * Looks at an executed notebook.
 * @throws NotebookError that names what is wrong
 */
export function checkNotebook(name: NotebookName, notebook: Notebook): void {
  const wrong = (problem: string): NotebookError => new NotebookError(`${name}: ${problem}`)
  const outputs = outputsOf(notebook)
  const stderr = outputs.find((output) => output.output_type === 'error' || output.name === 'stderr')
  if (stderr) throw wrong(`a cell wrote an error: ${textOf(stderr).slice(0, 500)}`)
  const { drawings, figures, words } = expectations[name]
  const titles = new Set(outputs.map(titleOf))
  for (const title of figures) if (!titles.has(title)) throw wrong(`the figure '${title}' is missing`)
  const drawn = outputs.filter(({ data }) => data?.['image/svg+xml'] && !data[plotlyType]).length
  if (drawn !== drawings) throw wrong(`got ${drawn} drawings, expected ${drawings}`)
  const printed = outputs.map(textOf).join('\n')
  for (const word of words) if (!printed.includes(word)) throw wrong(`the text '${word}' is missing`)
}

/** Runs a notebook; resolves with it and its outputs. */
async function execute(name: NotebookName, scratch: string, steps: number | undefined, checks: readonly string[]): Promise<Notebook> {
  const target = join(scratch, `${name}.ipynb`)
  const env = { ...process.env, ...(steps === undefined ? {} : { MAKEMOE_STEPS: String(steps) }) }
  const args = [paths.beside('../notebooks/execute.py'), join('notebooks', `${name}.ipynb`), target, ...checks]
  const child = spawn(paths.python(), args, { cwd: projectRoot(), env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => console.log(`${name}: ${line}`))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-5000)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) throw new NotebookError(`${name} did not run to its end:\n${stderr}`)
  return read(target)
}

const fileOf = (name: NotebookName): string => join(projectRoot(), 'notebooks', `${name}.ipynb`)

const read = (file: string): Notebook => JSON.parse(readFileSync(file, 'utf8')) as Notebook

const keep = (name: NotebookName, notebook: Notebook): void => writeFileAtomic(fileOf(name), `${JSON.stringify(notebook, null, 1)}\n`)

/**
 * Renews the pictures of the outputs that are kept, without running anything.
 * @throws SetupError without Chromium
 */
export async function renewPictures(names: readonly NotebookName[]): Promise<void> {
  for (const name of names) {
    const notebook = read(fileOf(name))
    const added = await addPictures(notebook)
    keep(name, notebook)
    console.log(`${name}: ${added} pictures`)
  }
}

/** Steps that a short run trains. */
const shortSteps = 12

/** Runs one notebook; in full, its outputs are kept once every cell has run, also if a check fails after that. */
async function runNotebook(name: NotebookName, full: boolean, scratch: string): Promise<void> {
  const checks = name === 'makeMoE_Concise' ? [join(projectRoot(), 'test/notebooks/concise-equals-lib.cell.txt')] : []
  const notebook = await execute(name, scratch, full ? undefined : shortSteps, checks)
  if (full) {
    const kept = { ...notebook, cells: notebook.cells.filter(({ metadata }) => !metadata.check) }
    // The kernel tells JupyterLab its numbers, but not who runs a notebook without a page.
    for (const [i, cell] of kept.cells.filter(({ cell_type }) => cell_type === 'code').entries()) cell.execution_count = i + 1
    await addPictures(kept)
    keep(name, kept)
    keepCurves(name, kept) // before the next notebook, which may compare with it
  }
  checkNotebook(name, notebook)
  const [check] = notebook.cells.filter(({ metadata }) => metadata.check)
  if (checks.length > 0 && !check?.outputs?.map(textOf).join('').includes('concise equals lib'))
    throw new NotebookError(`${name}: its model could not be compared with lib's`)
}

/**
 * Runs notebooks, each whatever becomes of the others.
 * @param full with full training, keeping the outputs
 * @throws NotebookError with what is wrong in each
 * @throws SetupError without Chromium, if `full`
 */
export async function runNotebooks(names: readonly NotebookName[], full: boolean): Promise<void> {
  if (full) await requireChromium() // before half an hour of training
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-notebooks-'))
  const failures: string[] = []
  try {
    for (const name of names) {
      const start = Date.now()
      try {
        await runNotebook(name, full, scratch)
        console.log(`${name}: good (${Math.round((Date.now() - start) / 1000)} s)`)
      } catch (error) {
        if (!(error instanceof NotebookError)) throw error
        failures.push(error.message)
        console.log(error.message)
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  if (failures.length > 0) throw new NotebookError(failures.join('\n'))
}
