/** A comparison as it trains: a chart of validation losses that grows in place, and a line with what trains and the time left. */
import type { ComparisonProgress } from '../lab/compare'
import { describeComparison } from '../lab/summary'
import { type ComparedCurve, comparisonCurves } from '../show/plot/comparison'
import { Display } from './display'

/** A view for a notebook: one chart that grows, and a line below it; spread it into the options of `compare`. */
export function comparisonView(redrawMs = 3000): { onCurve(curve: ComparedCurve): void; onProgress(progress: ComparisonProgress): void } {
  const [chart, line] = [new Display(), new Display()]
  const curves = new Map<string, ComparedCurve>()
  let drawn = 0
  return {
    onCurve: (curve) => {
      curves.set(`${curve.seed} ${curve.variant}`, curve)
      chart.figure(comparisonCurves([...curves.values()]))
    },
    onProgress: (progress) => {
      if (Date.now() - drawn < redrawMs && progress.step < progress.steps) return
      drawn = Date.now()
      line.text(describeComparison(progress))
    },
  }
}
