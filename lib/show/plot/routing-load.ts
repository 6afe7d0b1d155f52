/** The load of the experts as training reports it, `routing/layer_0/load_3`: a heatmap over the steps, and which experts are dead. */

import type { Reported } from '../../makemoe/train/metrics'
import { loadOverTraining } from './experts'
import type { Figure } from './figure'

const loadName = /^(?:routing\/layer_(\d+)\/)?load_(?:(\d+)_)?(\d+)$/

/** The reports of one expert. */
interface ExpertLoad extends Reported {
  readonly layer: number
  readonly expert: number
}

function loadsOf(reports: ReadonlyMap<string, Reported>): ExpertLoad[] {
  return [...reports].flatMap(([name, reported]) => {
    const found = loadName.exec(name)
    const [layer, expert] = [Number(found?.[1] ?? found?.[2]), Number(found?.[3])]
    return found && !Number.isNaN(layer) ? [{ ...reported, layer, expert }] : []
  })
}

/** A heatmap has at most this number of columns: it is drawn again and again during training. */
const maxColumns = 150

/** The load over training, layer by layer; undefined if none was reported. */
export function loadFigure(reports: ReadonlyMap<string, Reported>): Figure | undefined {
  const loads = loadsOf(reports)
  const [first] = loads
  if (!first) return undefined
  const counts: number[][][] = [] // [L][E] -> value of each report
  for (const { layer, expert, values } of loads) {
    counts[layer] ??= []
    counts[layer][expert] = [...values]
  }
  const every = Math.ceil(first.steps.length / maxColumns)
  const columns = first.steps.flatMap((step, i) => (i % every === 0 ? [{ step, i }] : []))
  return loadOverTraining(
    columns.map(({ step }) => step),
    columns.map(({ i }) => counts.map((experts) => experts.map((values) => values[i] ?? 0))),
  )
}

/** An expert is called dead when as many reports in a row saw no token go to it. */
const reportsInARow = 5

/** The experts that get no tokens any longer, in words by layer; undefined if no load was reported, empty if none is dead. */
export function deadExperts(reports: ReadonlyMap<string, Reported>): string | undefined {
  const loads = loadsOf(reports)
  if (loads.length === 0) return undefined
  const byLayer = new Map<number, number[]>()
  for (const { layer, expert, values } of loads)
    if (values.length >= reportsInARow && values.slice(-reportsInARow).every((value) => value === 0))
      byLayer.set(layer, [...(byLayer.get(layer) ?? []), expert])
  return [...byLayer].map(([layer, experts]) => `layer ${layer}: ${experts.join(', ')}`).join('; ')
}
