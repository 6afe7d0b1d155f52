/** How far a training is, in the terminal. */
import { Presets, SingleBar } from 'cli-progress'
import { describeProgress, type Progress } from '../makemoe/train/pace'
import { lineInPlace, throttledLog } from './throttled-log'

export interface TrainingProgress {
  update(progress: Progress): void
  line(text: string): void
  stop(): void
}

/** The progress of a process that does not report. */
export const noProgress: TrainingProgress = { update: () => {}, line: () => {}, stop: () => {} }

/** A progress bar on a terminal; elsewhere a line every 15 seconds. */
export function showProgress(steps: number): TrainingProgress {
  if (!process.stderr.isTTY) {
    const log = throttledLog()
    return { update: (progress) => log(() => describeProgress(progress)), line: console.log, stop: () => {} }
  }
  const bar = new SingleBar({ format: '{bar} {text}', clearOnComplete: true, stopOnComplete: false }, Presets.shades_grey)
  bar.start(steps, 0, { text: '' })
  return {
    update: (progress) => bar.update(progress.step, { text: describeProgress(progress) }),
    line: (text) => {
      lineInPlace.clear()
      console.log(text)
    },
    stop: () => bar.stop(),
  }
}
