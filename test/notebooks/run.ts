/**
 * `npm run notebooks`: runs the notebooks in a real kernel and checks what they show. In short form it checks; in full it trains, adds a
 * picture to each figure for pages that run nothing, and keeps the outputs.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { ownEnvironment } from 'makemoe/dist/cli/setup/environment'
import { paths, projectRoot } from 'makemoe/dist/cli/setup/paths'
import { keepCurves } from './curves'
import { checkNotebook, NotebookError, type NotebookName, textOf } from './expectations'
import type { Notebook } from './notebook'
import { addPictures, requireChromium } from './pictures'

/** Runs a notebook; resolves with it and its outputs. */
async function execute(name: NotebookName, scratch: string, steps: number | undefined, checks: readonly string[]): Promise<Notebook> {
  const target = join(scratch, `${name}.ipynb`)
  const env = { ...ownEnvironment(), ...(steps === undefined ? {} : { MAKEMOE_STEPS: String(steps) }) }
  const args = ['test/notebooks/execute.py', join('notebooks', `${name}.ipynb`), target, ...checks]
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

// Cells that run after those of makeMoE_Concise, and what they print in the end.
const sameModel = { 'concise-equals-lib.cell.txt': 'concise equals lib', 'concise-hacks.cell.txt': 'hacks equal lib' }
const soundRaces = { 'concise-races.cell.txt': 'races are sound', 'concise-edited.cell.txt': 'an edited helper counts' } // in few steps too

/** Steps that a short run trains. */
const shortSteps = 12

/** Runs one notebook; in full, its outputs are kept once every cell has run, also if a check fails after that. */
async function runNotebook(name: NotebookName, full: boolean, scratch: string): Promise<void> {
  const checks = Object.entries(name === 'makeMoE_Concise' ? (full ? { ...sameModel } : { ...sameModel, ...soundRaces }) : {})
  const notebook = await execute(
    name,
    scratch,
    full ? undefined : shortSteps,
    checks.map(([file]) => join(projectRoot(), 'test/notebooks', file)),
  )
  if (full) {
    const kept = { ...notebook, cells: notebook.cells.filter(({ metadata }) => !metadata.check) }
    // The kernel sends JupyterLab the cells' numbers, but not who runs a notebook without a page.
    for (const [i, cell] of kept.cells.filter(({ cell_type }) => cell_type === 'code').entries()) cell.execution_count = i + 1
    await addPictures(kept)
    keep(name, kept)
    keepCurves(name, kept) // before the next notebook, which may compare with it
  }
  checkNotebook(name, notebook)
  const printed = notebook.cells.filter(({ metadata }) => metadata.check).flatMap(({ outputs = [] }) => outputs.map(textOf))
  for (const [file, expected] of checks)
    if (!printed.join('').includes(expected)) throw new NotebookError(`${name}: ${file} did not print '${expected}'`)
}

/**
 * Runs notebooks, one after the other; continues after a failure.
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
