/** What a reader looks at first in a run's folder: the curves, and a sample. */
import { basename, join } from 'node:path'
import { writeFileAtomic } from '../base/files'
import { inBits } from '../base/numbers'
import { createStreams } from '../engine/tensor/streams'
import type { Config } from '../makemoe/config'
import type { SparseMoELanguageModel } from '../makemoe/model/language-model'
import { generate } from '../makemoe/model/sampler'
import { CharTokenizer } from '../makemoe/text/char-tokenizer'
import { encodeText, type Tokenizer } from '../makemoe/text/tokenizer'
import type { Compile } from '../makemoe/train/compile'
import { Reports } from '../makemoe/train/metrics'
import { metricsIn } from '../runs/track/metrics-file'
import { figurePage } from '../show/plot/html'
import { type LossCurve, lossCurves, reportedLoss, smoothed } from '../show/plot/losses'
import { deadExperts, loadFigure } from '../show/plot/routing-load'
import { usualPrompt } from './generate'

/** At most some 500 points of a curve: the page is written again and again while training goes on. */
function thinned(curve: LossCurve): LossCurve {
  const every = Math.ceil(curve.steps.length / 500)
  const keep = (_: number, i: number): boolean => i % every === 0 || i === curve.steps.length - 1
  return { ...curve, steps: curve.steps.filter(keep), losses: curve.losses.filter(keep) }
}

/**
 * Writes `loss.html`: the losses and the load of the experts in a run's metrics, unless there are none yet. While it trains, a browser reads
 * the page again by itself.
 */
export function writeCurves(folder: string, training: boolean): void {
  const collected = new Reports()
  for (const { time: _time, ...metric } of metricsIn(folder)) collected.add(metric)
  const reports = collected.byName
  if (reports.size === 0) return
  // The loss of every step, so that a training with few evaluations is a curve, too.
  const batches = { ...reportedLoss(reports, 'loss', 'batches, running mean'), behind: true }
  const smooth = { ...batches, losses: smoothed(batches.losses, 20) }
  const evaluations = [reportedLoss(reports, 'train_loss', 'train'), reportedLoss(reports, 'val_loss', 'validation')]
  const losses = lossCurves([...evaluations, thinned(smooth)], basename(folder))
  const load = loadFigure(reports)
  const dead = deadExperts(reports)
  const last = reports.get('val_loss')?.values.at(-1)
  const lossNote = last === undefined ? '' : `Last validation loss: ${last.toFixed(4)} nats, ${inBits(last)}. `
  const deadNote =
    dead === undefined ? '' : dead === '' ? 'No expert is dead.' : `Dead experts, which got no token in the last reports: ${dead}.`
  const page = figurePage(load ? [losses, load] : losses, {
    title: `${basename(folder)}: losses and load`,
    note: `${lossNote}${deadNote}`.trimEnd(),
    refresh: training ? 30 : undefined,
  })
  writeFileAtomic(join(folder, 'loss.html'), page)
}

/**
 * Writes `sample.txt`: what the model writes after a new line, in streams of its own; a model of the original's behavior does it as the original.
 * @returns the sample
 */
export function writeSample(
  folder: string,
  model: SparseMoELanguageModel,
  tokenizer: Tokenizer,
  { noiseMode, seed }: Pick<Config, 'noiseMode' | 'seed'>,
  tokens: number,
  compile: Compile,
): string {
  const likeMakemoe = noiseMode === 'always'
  const ids: number[] = []
  // The original's growing window would be traced for each length.
  const makeStep: Compile = likeMakemoe ? (step) => step : compile
  const start = tokenizer instanceof CharTokenizer ? [0] : Array.from(encodeText(tokenizer, usualPrompt(tokenizer))) // as the original
  for (const [id] of generate(model, [start], { tokens, streams: createStreams(seed), likeMakemoe, makeStep })) ids.push(id ?? 0)
  const sample = tokenizer.decode(ids)
  writeFileAtomic(join(folder, 'sample.txt'), `${sample}\n`)
  return sample
}
