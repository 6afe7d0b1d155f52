/**
 * Training as a person watches it: a chart and a map of the experts' load that grow in place, and a line with step, loss, speed, time left
 * and dead experts.
 */
import type { Metric } from '../makemoe/train/metrics'
import { describeProgress, type Progress } from '../makemoe/train/pace'
import type { Figure } from '../show/plot/figure'
import { type LossCurve, lossCurves, type Reported, smoothed } from '../show/plot/losses'
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

/**
 * A view for a notebook.
 * @param behind curves to compare with
 */
export function trainingView(behind: readonly LossCurve[] = [], title = 'Training', redrawMs = 3000): TrainingView {
  let chart = new Display()
  let map = new Display()
  let line = new Display()
  let drawn = 0
  const steps: number[] = []
  const losses: number[] = []
  const evaluated: { step: number; train: number; val: number }[] = []
  const curves = (): LossCurve[] => [
    { name: 'train', steps: evaluated.map(({ step }) => step), losses: evaluated.map(({ train }) => train) },
    { name: 'validation', steps: evaluated.map(({ step }) => step), losses: evaluated.map(({ val }) => val) },
  ]
  const reports = new Map<string, { steps: number[]; values: number[] }>()
  const note = (step: number, name: string, value: number): void => {
    const seen = reports.get(name) ?? { steps: [], values: [] }
    if (!reports.has(name)) reports.set(name, seen)
    seen.steps.push(step)
    seen.values.push(value)
  }
  const draw = (): void => {
    drawn = Date.now()
    const smooth = smoothed(losses, 50)
    const every = Math.max(1, Math.ceil(smooth.length / 250))
    const pick = <T>(values: readonly T[]): T[] => values.filter((_, i) => i >= 10 && i % every === 0)
    const batches: LossCurve = { name: 'batches (mean of 50)', steps: pick(steps), losses: pick(smooth) }
    chart.figure(lossCurves([...curves(), ...(smooth.length > 20 ? [batches] : []), ...behind], title))
    const load = loadFigure(reports)
    if (load) map.figure(load)
  }
  return {
    curves,
    reported: () => Object.fromEntries(reports),
    load: () => loadFigure(reports),
    restart: () => {
      chart = new Display()
      map = new Display()
      line = new Display()
    },
    onMetric: ({ step, loss, train_loss, val_loss, ...others }) => {
      for (const [name, value] of Object.entries(others)) if (value !== undefined) note(step, name, value)
      if (loss !== undefined) {
        steps.push(step)
        losses.push(loss)
      } else if (train_loss !== undefined && val_loss !== undefined) evaluated.push({ step, train: train_loss, val: val_loss })
    },
    onProgress: (progress) => {
      const last = progress.step >= progress.steps
      if (!last && Date.now() - drawn < redrawMs) return
      draw()
      const dead = deadExperts(reports)
      line.text(dead ? `${describeProgress(progress)}\ndead experts: ${dead}` : describeProgress(progress))
    },
  }
}
