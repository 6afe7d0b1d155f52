/** Variants side by side: their validation losses against steps, against arithmetic and against time; and a view that grows while they train. */
import { type LossCurve, lossCurves, smoothed } from './charts'
import { Display } from './display'
import { color, type Figure, pale } from './figure'
import { clock } from './training-view'

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

interface Series extends LossCurve {
  /** Of the seeds. */
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
  const axis = layout.xaxis
  return { data: [...bands, ...data], layout: { ...layout, xaxis: { ...(typeof axis === 'object' ? axis : {}), title: { text: x } } } }
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

/** What stands on the x axis, and what a step is worth there. */
const axes = {
  steps: { label: 'step', of: () => 1 },
  /** Forward and backward: three times the forward pass. */
  FLOPs: {
    label: 'FLOPs of training (10^12)',
    of: ({ flopsPerToken = Number.NaN, tokensPerStep = Number.NaN }: ComparedCurve) => (3 * flopsPerToken * tokensPerStep) / 1e12,
  },
  seconds: {
    label: 'seconds of training, on this machine',
    of: ({ millisecondsPerStep = Number.NaN }: ComparedCurve) => millisecondsPerStep / 1000,
  },
} as const

/** Validation loss of each variant: the mean over its seeds, and a band from the lowest to the highest. */
export function comparisonCurves(curves: readonly ComparedCurve[], against: keyof typeof axes = 'steps'): Figure {
  const variants = new Map<string, ComparedCurve[]>()
  for (const curve of curves) if (curve.curve.length > 0) variants.set(curve.variant, [...(variants.get(curve.variant) ?? []), curve])
  const { label, of } = axes[against]
  const series = [...variants].map(([variant, seeds]) => {
    const length = Math.min(...seeds.map(({ curve }) => curve.length))
    const points = Array.from({ length }, (_, i) => seeds.flatMap(({ curve }) => curve[i]?.validationLoss ?? []))
    const steps = (seeds[0]?.curve ?? []).slice(0, length).map(({ step }) => step * mean(seeds.map(of)))
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

/** Where a comparison stands. */
export interface ComparisonProgress {
  /** Trainings finished, of how many. */
  readonly done: number
  readonly of: number
  readonly variant: string
  readonly seed: number
  readonly step: number
  readonly steps: number
  /** Of the whole comparison. */
  readonly secondsLeft: number
}

/** A line that says where a comparison stands. */
export function describeComparison({ done, of, variant, seed, step, steps, secondsLeft }: ComparisonProgress): string {
  return `training ${done + 1} of ${of}: ${variant}, seed ${seed} | step ${step}/${steps} | ${clock(secondsLeft)} left`
}

/** A view for a notebook: one chart that grows, and a line below it; spread it into the options of `compare`. */
export function comparisonView(redrawMs = 3000): { onCurve(curve: ComparedCurve): void; onProgress(standing: ComparisonProgress): void } {
  const [chart, line] = [new Display(), new Display()]
  const curves = new Map<string, ComparedCurve>()
  let told = 0
  return {
    onCurve: (curve) => {
      curves.set(`${curve.seed} ${curve.variant}`, curve)
      chart.figure(comparisonCurves([...curves.values()]))
    },
    onProgress: (standing) => {
      if (Date.now() - told < redrawMs && standing.step < standing.steps) return
      told = Date.now()
      line.text(describeComparison(standing))
    },
  }
}
