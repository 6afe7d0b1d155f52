/** What `makemoe compare` leaves: tables to read, a JSON file to read again, a page of figures. */
import { basename } from 'node:path'
import { writeFileAtomic } from '../base/files'
import { comparisonFormat } from '../lab/comparison-file'
import { worthOfSteps, worthTable } from '../lab/recipe'
import { endCurves, namedByLength, type Study } from '../lab/study'
import { comparisonTable } from '../lab/summary'
import { tuningTable } from '../lab/tuning'
import type { Config } from '../makemoe/config'
import { churnCurves, comparisonCurves, comparisonLosses } from '../show/plot/comparison'
import type { Figure } from '../show/plot/figure'
import { figurePage } from '../show/plot/html'

/** Everything that a person reads of a comparison. */
export function tablesOf({ rows, measurements, trials }: Study, isRecipe: boolean): string {
  const worth = isRecipe ? [worthTable(worthOfSteps(measurements))] : []
  return [...(trials.length > 0 ? [tuningTable(trials)] : []), comparisonTable(rows), ...worth].join('\n\n')
}

/** The final losses, and losses against what they cost: over a training, or over trainings of several lengths. */
function figuresOf({ measurements }: Study): Figure[] {
  const several = new Set(measurements.map(({ steps }) => steps)).size > 1
  const curves = several ? endCurves(measurements) : measurements
  const churn = several ? undefined : churnCurves(measurements)
  return [
    comparisonLosses(namedByLength(measurements)),
    ...(['steps', 'FLOPs', 'seconds'] as const).map((cost) => comparisonCurves(curves, cost)),
    ...(churn ? [churn] : []),
  ]
}

/** A comparison's file: parts are functions, of which the text is kept. */
const jsonOf = ({ variants, rows, measurements, trials, reference, ...others }: Study & Readonly<Record<string, unknown>>): string =>
  JSON.stringify(
    {
      ...others,
      variants,
      rows,
      measurements,
      ...(trials.length > 0 ? { trials } : {}),
      ...(reference.length > 0 ? { reference } : {}),
    },
    (_, value: unknown) => (typeof value === 'function' ? String(value) : value),
    1,
  )

/**
 * Writes the comparison and its figures.
 * @param path without an extension
 * @returns the two files
 */
export function writeComparison(
  path: string,
  found: Study,
  shared: { readonly name: string; readonly config: Config; readonly seeds: readonly number[] },
  note: string,
): [json: string, figures: string] {
  const files: [string, string] = [`${path}.json`, `${path}.html`]
  writeFileAtomic(files[0], `${jsonOf({ format: comparisonFormat, ...shared, ...found })}\n`)
  writeFileAtomic(files[1], figurePage(figuresOf(found), { title: `${basename(path)}: comparison`, note }))
  return files
}
