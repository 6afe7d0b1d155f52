/** Variants side by side: their final losses, and these against steps, arithmetic and time. */

import { grouped } from '../../base/grouped'
import { mean } from '../../base/numbers'
import { color, type Figure, inLines, layout, pale } from './figure'
import { type LossCurve, lossCurves, reportedCurves, smoothed } from './losses'

interface Series extends LossCurve {
  /** Lowest and highest over the seeds. */
  readonly lowest: readonly number[]
  readonly highest: readonly number[]
}

/** Lines over bands; a single seed has no band. */
function spreadCurves(series: readonly Series[], title: string, x = 'step'): Figure {
  const bands = series.flatMap(({ name, steps, lowest, highest }, i) =>
    lowest.every((low, at) => low === highest[at])
      ? []
      : [
          {
            type: 'scatter',
            mode: 'lines',
            name: `${name}, spread`,
            x: [...steps, ...[...steps].reverse()],
            y: [...highest, ...[...lowest].reverse()],
            fill: 'toself',
            fillcolor: `${pale(color(i))}80`,
            line: { width: 0 },
            hoverinfo: 'skip',
            showlegend: false,
          },
        ],
  )
  const { data, layout } = lossCurves(series, title)
  const { xaxis, yaxis } = layout as Record<string, object> // layout makes both
  return {
    data: [...bands, ...data],
    layout: { ...layout, xaxis: { ...xaxis, title: { text: x } }, yaxis: { ...yaxis, ...after(series) } },
  }
}

/** A range of losses without those of the first fifth, which all share and beside which differences are lost; all while there are few. */
function after(series: readonly Series[]): { readonly range?: readonly [number, number] } {
  if (series.some(({ losses }) => losses.length < 5)) return {}
  const lowest = Math.min(...series.flatMap((one) => one.lowest))
  const highest = Math.max(...series.flatMap((one) => one.highest.slice(Math.floor(one.highest.length / 5))))
  const margin = 0.05 * (highest - lowest)
  return { range: [lowest - margin, highest + margin] }
}

/**
 * Losses of variants of a model, each trained from several seeds: the mean, and a band from the lowest to the highest seed.
 * @param variants by name, [seeds][steps] losses in nats
 * @param width steps over which each curve is smoothed
 */
export function variantCurves(variants: Readonly<Record<string, readonly (readonly number[])[]>>, title = 'Variants', width = 20): Figure {
  const series = Object.entries(variants).map(([name, seeds]) => {
    const smooth = seeds.map((losses) => smoothed(losses, width))
    const length = Math.min(...smooth.map((losses) => losses.length))
    const every = Math.max(1, Math.ceil(length / 300))
    const steps = Array.from({ length }, (_, i) => i).filter((i) => i % every === 0 || i === length - 1)
    const at = (pick: (values: number[]) => number): number[] =>
      steps.map((i) => Number(pick(smooth.map((losses) => losses[i] ?? Number.NaN)).toFixed(4)))
    return {
      name: seeds.length > 1 ? `${name} (${seeds.length} seeds)` : name,
      steps,
      losses: at(mean),
      lowest: at((values) => Math.min(...values)),
      highest: at((values) => Math.max(...values)),
    }
  })
  return spreadCurves(series, title)
}

/** The losses of one training; the costs of a step are known when it has been made. */
export interface ComparedCurve {
  readonly variant: string
  readonly seed: number
  readonly curve: readonly { readonly step: number; readonly validationLoss: number }[]
  readonly tokensPerStep?: number
  readonly flopsPerToken?: number
  readonly millisecondsPerStep?: number
}

/** The label of the x axis, and what a step is worth there. */
const axes = {
  steps: { label: 'step', worth: () => 1 },
  /** Forward and backward: three times the forward pass. */
  FLOPs: {
    label: 'FLOPs of training (10¹²)',
    worth: ({ flopsPerToken = Number.NaN, tokensPerStep = Number.NaN }: ComparedCurve) => (3 * flopsPerToken * tokensPerStep) / 1e12,
  },
  seconds: {
    label: 'seconds of training',
    worth: ({ millisecondsPerStep = Number.NaN }: ComparedCurve) => millisecondsPerStep / 1000,
  },
} as const

/** Validation loss in nats of each variant: the mean over its seeds, and a band from the lowest to the highest. */
export function comparisonCurves(curves: readonly ComparedCurve[], against: keyof typeof axes = 'steps'): Figure {
  const variants = grouped(
    curves.filter(({ curve }) => curve.length > 0),
    ({ variant }) => variant,
  )
  const { label, worth } = axes[against]
  const series = [...variants].map(([variant, seeds]) => {
    const length = Math.min(...seeds.map(({ curve }) => curve.length))
    const points = Array.from({ length }, (_, i) => seeds.flatMap(({ curve }) => curve[i]?.validationLoss ?? []))
    const steps = seeds[0].curve.slice(0, length).map(({ step }) => step * mean(seeds.map(worth)))
    return {
      name: seeds.length > 1 ? `${variant} (${seeds.length} seeds)` : variant,
      steps,
      losses: points.map(mean),
      lowest: points.map((values) => Math.min(...values)),
      highest: points.map((values) => Math.max(...values)),
    }
  })
  return spreadCurves(series, `Validation loss against ${against}`, label)
}

/** What one training ended with. */
export interface ComparedLoss {
  readonly variant: string
  readonly seed: number
  /** Nats. */
  readonly validationLoss: number
  /** Whether it sees later characters, so that its loss is not comparable. */
  readonly looksAhead?: boolean
}

/** Final losses in nats: a row for each variant, a dot for each seed, a bar at their mean; the dotted line is the first variant's mean. */
export function comparisonLosses(losses: readonly ComparedLoss[]): Figure {
  const variants = [...new Set(losses.map(({ variant }) => variant))]
  const seedsOf = (name: string): ComparedLoss[] => losses.filter(({ variant }) => variant === name)
  const shown = (name: string): string => inLines(seedsOf(name).some(({ looksAhead }) => looksAhead) ? `${name} (looks ahead)` : name)
  const means = variants.map((name) => mean(seedsOf(name).map(({ validationLoss }) => validationLoss)))
  const trace = (name: string, x: readonly number[], names: readonly string[], marker: object): Readonly<Record<string, unknown>> => ({
    type: 'scatter',
    mode: 'markers',
    name,
    x,
    y: names.map(shown),
    marker,
  })
  const seeds = [...new Set(losses.map(({ seed }) => seed))].map((seed, i) => {
    const own = losses.filter((each) => each.seed === seed)
    const x = own.map(({ validationLoss }) => validationLoss)
    return trace(
      `seed ${seed}`,
      x,
      own.map(({ variant }) => variant),
      { size: 9, color: color(i), symbol: i },
    )
  })
  const dark = '#222222'
  return {
    data: [...seeds, trace('mean', means, variants, { symbol: 'line-ns', size: 20, line: { width: 2, color: dark } })],
    layout: layout('Validation loss of each seed', 'validation loss (nats)', '', {
      height: 170 + 36 * variants.length,
      yaxis: { type: 'category', categoryorder: 'array', categoryarray: variants.map(shown), autorange: 'reversed' },
      shapes: [{ type: 'line', x0: means[0], x1: means[0], yref: 'paper', y0: 0, y1: 1, line: { color: dark, dash: 'dot', width: 1 } }],
    }),
  }
}

/** A training's choices for the same text: the share that changed since the evaluation before. */
export interface ChurnCurve {
  readonly variant: string
  readonly curve: readonly { readonly step: number; readonly churn?: number | undefined }[]
}

/** Churn of each variant, mean over its seeds; undefined if nothing was looked at twice. */
export function churnCurves(curves: readonly ChurnCurve[]): Figure | undefined {
  const looks = curves.flatMap(({ variant, curve }) =>
    curve.flatMap(({ step, churn }) => (churn === undefined ? [] : [{ variant, step, churn }])),
  )
  if (looks.length === 0) return undefined
  const means = [...grouped(looks, ({ variant }) => variant)].map(([variant, own]) => {
    const bySteps = grouped(own, ({ step }) => step)
    const values = [...bySteps.values()].map((atStep) => mean(atStep.map(({ churn }) => churn)))
    return [variant, { steps: [...bySteps.keys()], values }]
  })
  return reportedCurves(Object.fromEntries(means), 'share of choices that changed', 'Churn from one evaluation to the next')
}
