/** Losses by step, and other numbers that training reports. */
import type { Reported } from '../../makemoe/train/metrics'
import { color, type Figure, layout } from './figure'

/** Losses in nats by step; NaN leaves a gap. */
export interface LossCurve {
  readonly name: string
  readonly steps: readonly number[]
  /** In nats. */
  readonly losses: readonly number[]
  /** Drawn pale and dashed, behind the others. */
  readonly behind?: boolean
}

const dashes = ['dot', 'dash', 'dashdot', 'longdash'] as const
const grays = ['#555555', '#a0a0a0'] as const

/** What the axes show of some curves: all while there are few points; then not what only the first steps need. */
function ranges(curves: readonly LossCurve[]): { xaxis: object; yaxis: object } {
  const finite = ({ losses }: LossCurve): number[] => losses.filter(Number.isFinite)
  const own = curves.filter(({ behind, ...curve }) => !behind && finite(curve).length > 0)
  const measure = own.length > 0 ? own : curves
  const last = Math.max(1, ...measure.flatMap(({ steps }) => steps))
  const long = measure.some(({ losses }) => losses.length > 20)
  const shown = measure.flatMap((curve) => finite(curve).slice(long && curve.losses.length > 2 ? 1 : 0))
  if (shown.length === 0) return { xaxis: {}, yaxis: {} }
  const lowest = Math.min(...shown)
  const highest = Math.min(Math.max(...shown), long ? lowest + 2.5 : Number.POSITIVE_INFINITY)
  const margin = Math.max(0.05, 0.05 * (highest - lowest))
  return { xaxis: { range: [-0.02 * last, 1.02 * last] }, yaxis: { range: [lowest - margin, highest + margin] } }
}

/** Loss curves of one or several runs. The axes fit the runs; what stands behind them to compare with may reach beyond. */
export function lossCurves(curves: readonly LossCurve[], title = 'Loss'): Figure {
  const behindOf = curves.filter(({ behind }) => behind)
  const data = curves.map((curve, i) => {
    const { name, steps, losses, behind } = curve
    const place = behindOf.indexOf(curve)
    const dash = behind ? dashes[place % dashes.length] : 'solid'
    return {
      type: 'scatter',
      mode: losses.length > 60 ? 'lines' : 'lines+markers',
      name,
      x: steps,
      y: losses.map((loss) => (Number.isFinite(loss) ? Number(loss.toFixed(4)) : null)),
      line: { color: behind ? grays[place % grays.length] : color(i), width: behind ? 1.5 : 2, dash },
      marker: { size: 5 },
    }
  })
  return { data, layout: layout(title, 'step', 'loss (nats per character)', ranges(curves)) }
}

/**
 * The running mean of a noisy series; as long as the series. The mean is over the last `width` values, at the start over the newer half of
 * those so far: the first, large losses leave it one by one, without a knee where the window is full.
 */
export function smoothed(values: readonly number[], width: number): number[] {
  const sums = [0]
  for (const value of values) sums.push((sums[sums.length - 1] ?? 0) + value)
  return values.map((_, i) => {
    const window = Math.min(width, Math.ceil((i + 1) / 2))
    return ((sums[i + 1] ?? 0) - (sums[i + 1 - window] ?? 0)) / window
  })
}

/**
 * The curve of a loss that training reported.
 * @param metric its name among the metrics, such as `val_loss`
 * @param name the curve's name in a legend
 */
export function reportedLoss(reports: ReadonlyMap<string, Reported>, metric: string, name: string): LossCurve {
  const { steps = [], values = [] } = reports.get(metric) ?? {}
  return { name, steps, losses: values }
}

/** One line for each reported number: a loss beside the loss, an entropy of each layer. */
export function reportedCurves(reported: Readonly<Record<string, Reported>>, label: string, title = label): Figure {
  const data = Object.entries(reported).map(([name, { steps, values }], i) => ({
    type: 'scatter',
    mode: values.length > 60 ? 'lines' : 'lines+markers',
    name,
    x: steps,
    y: values.map((value) => (Number.isFinite(value) ? Number(value.toPrecision(5)) : null)),
    line: { color: color(i), width: 2, dash: i < 8 ? 'solid' : 'dash' },
    marker: { size: 4 },
  }))
  return { data, layout: layout(title, 'step', label) }
}
