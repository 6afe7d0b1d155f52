/** The validation loss against minutes of training: makeMoE.py, the presets of its size, and the ladder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot } from 'makemoe/dist/cli/setup/paths'
import { color, type Figure, layout } from 'makemoe/dist/show/plot/figure'
import { publishedCurves } from 'makemoe/dist/show/plot/published'

/** A training. */
export interface MinutesCurve {
  readonly name: string
  readonly minutes: readonly number[]
  /** In nats, over the validation split. */
  readonly losses: readonly number[]
}

/** A run in `data/curves.json`. */
interface KeptRun {
  readonly preset: string
  readonly evaluationBatches: number
  readonly capacityFactor?: number
  readonly steps: readonly number[]
  readonly val: readonly number[]
}

const atRate = (name: string, { steps, losses }: { steps: readonly number[]; losses: readonly number[] }, ms: number): MinutesCurve => ({
  name,
  minutes: steps.map((step) => (step * ms) / 60_000),
  losses,
})

/** Milliseconds a step; `original` is makeMoE.py's in PyTorch. */
export type StepTimes = Readonly<Partial<Record<'original' | 'makemoe' | 'corrected' | 'default', number>>>

/** The curves of full runs that were published or kept, their steps at the times measured now. */
export function curvesBySteps({ original, ...ours }: StepTimes): MinutesCurve[] {
  const runs = Object.values(JSON.parse(readFileSync(join(projectRoot(), 'data/curves.json'), 'utf8')) as Record<string, KeptRun>)
  return [
    ...(original === undefined ? [] : [atRate('makeMoE.py, as published', publishedCurves.dropless, original)]),
    ...Object.entries(ours).flatMap(([preset, ms]) => {
      const run = runs.find((each) => each.preset === preset && each.evaluationBatches === 400 && each.capacityFactor === undefined)
      return run ? [atRate(preset, { steps: run.steps, losses: run.val }, ms)] : []
    }),
  ]
}

/** Minutes on a logarithmic axis; what was before the first of them is left out. */
export function minutesFigure(curves: readonly MinutesCurve[]): Figure {
  const first = 0.05
  return {
    data: curves.map(({ name, minutes, losses }, i) => ({
      type: 'scatter',
      mode: 'lines+markers',
      name,
      x: minutes.filter((minute) => minute >= first),
      y: losses.filter((_, point) => (minutes[point] ?? 0) >= first),
      line: { color: color(i), width: 2 },
      marker: { size: 5 },
    })),
    layout: layout('Validation loss against minutes of training', 'minutes', 'validation loss (nats)', {
      height: 520,
      xaxis: { type: 'log', tickvals: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30] },
      yaxis: { range: [1.4, 2.5] },
    }),
  }
}
