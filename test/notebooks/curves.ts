/** `data/curves.json`, the losses of full runs: a full run of a notebook renews its own, which other notebooks and the README quote. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MakemoeError } from 'makemoe/dist/base/errors'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { projectRoot } from 'makemoe/dist/cli/setup/paths'
import { joined, type Notebook, outputsOf, plotlyType, titleOf } from './notebook'

interface Trace {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly number[]
}

/** The evaluations in a notebook's training figure, or undefined if it has none. */
function curvesIn(notebook: Notebook): Record<'steps' | 'train' | 'val', readonly number[]> | undefined {
  const figure = outputsOf(notebook).find((output) => titleOf(output)?.startsWith('Training'))
  const traces = (figure?.data?.[plotlyType] as { data?: Trace[] } | undefined)?.data ?? []
  const [train, val] = ['train', 'validation'].map((name) => traces.find((trace) => trace.name === name))
  return train && val ? { steps: train.x, train: train.y, val: val.y } : undefined
}

/** How many batches of a split an evaluation of the notebook takes in a full run. @throws MakemoeError if its cells do not say so */
function evaluationBatchesOf(name: string, { cells }: Notebook): number {
  const found = cells
    .map(({ source }) => /evalIters(?: =|:) Math\.min\((\d+), (?:steps|Math\.ceil\(steps \/ \d+\))\)/.exec(joined(source))?.[1])
    .find(Boolean)
  if (found === undefined) throw new MakemoeError(`${name}: got no evalIters, expected a cell with Math.min(NUMBER, steps)`)
  return Number(found)
}

/** Renews the entry of a notebook, keeping what else the entry says of the run. */
export function keepCurves(name: string, notebook: Notebook): void {
  const file = join(projectRoot(), 'data/curves.json')
  const runs = JSON.parse(readFileSync(file, 'utf8')) as Record<string, { notebook?: string }>
  const found = curvesIn(notebook)
  const lines = Object.entries(runs).map(([key, run]) => {
    const renewed = run.notebook === name && found ? { ...run, evaluationBatches: evaluationBatchesOf(name, notebook), ...found } : run
    return `  ${JSON.stringify(key)}: ${JSON.stringify(renewed)}`
  })
  writeFileAtomic(file, `{\n${lines.join(',\n')}\n}\n`)
}
