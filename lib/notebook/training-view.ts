/**
 * Training as a person watches it: a chart and a map of the experts' load that grow in place, and a line with step, loss, speed, time left
 * and dead experts.
 */
import { type Metric, type Reported, Reports } from '../makemoe/train/metrics'
import { describeProgress, type Progress } from '../makemoe/train/pace'
import type { Figure } from '../show/plot/figure'
import { type LossCurve, lossCurves, reportedLoss, smoothed } from '../show/plot/losses'
import { deadExperts, loadFigure } from '../show/plot/routing-load'
import { Display } from './display'

/** Callbacks for `Trainer.listen`, and what they have collected. */
export interface TrainingView {
  readonly onMetric: (metric: Metric) => void
  readonly onProgress: (progress: Progress) => void
  /** Evaluations so far, train and validation. */
  readonly curves: () => LossCurve[]
  /** Every other number that training reported, by its name, such as `layer_0/z`. */
  readonly reported: () => Record<string, Reported>
  /** The load of each expert over training; undefined if none was reported. */
  readonly load: () => Figure | undefined
  /** Puts chart, map and line into the output of another cell, for a cell that trains on. */
  readonly restart: () => void
}

/** The metrics that the chart shows. */
const charted: readonly string[] = ['loss', 'train_loss', 'val_loss']

/**
 * A view for a notebook.
 * @param behind curves to compare with
 */
export function trainingView(behind: readonly LossCurve[] = [], title = 'Training', redrawMs = 3000): TrainingView {
  let chart = new Display()
  let map = new Display()
  let line = new Display()
  let drawn = 0
  const collected = new Reports()
  const reports = collected.byName
  const curves = (): LossCurve[] => [reportedLoss(reports, 'train_loss', 'train'), reportedLoss(reports, 'val_loss', 'validation')]
  const draw = (): void => {
    drawn = Date.now()
    const batches = reportedLoss(reports, 'loss', 'batches (mean of 50)')
    const smooth = smoothed(batches.losses, 50)
    const every = Math.max(1, Math.ceil(smooth.length / 250))
    const pick = <T>(values: readonly T[]): T[] => values.filter((_, i) => i >= 10 && i % every === 0)
    const picked = { ...batches, steps: pick(batches.steps), losses: pick(smooth) }
    chart.figure(lossCurves([...curves(), ...(smooth.length > 20 ? [picked] : []), ...behind], title))
    const load = loadFigure(reports)
    if (load) map.figure(load)
  }
  return {
    curves,
    reported: () => Object.fromEntries([...reports].filter(([name]) => !charted.includes(name))),
    load: () => loadFigure(reports),
    restart: () => {
      chart = new Display()
      map = new Display()
      line = new Display()
    },
    onMetric: (metric) => collected.add(metric),
    onProgress: (progress) => {
      const last = progress.step >= progress.steps
      if (!last && Date.now() - drawn < redrawMs) return
      draw()
      const dead = deadExperts(reports)
      line.text(dead ? `${describeProgress(progress)}\ndead experts: ${dead}` : describeProgress(progress))
    },
  }
}
