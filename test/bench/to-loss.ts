/**
 * `npm run bench -- --to-loss`: each preset of the ladder trained as a user trains it, a process from its start to its end, then the exact
 * validation loss. makeMoE.py's step is measured in turns with them, and counts as often as its published curve took steps to the same loss.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { at } from 'makemoe/dist/base/assertions'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { mean } from 'makemoe/dist/base/numbers'
import { paths, projectRoot } from 'makemoe/dist/cli/setup/paths'
import { deviation, median } from 'makemoe/dist/lab/statistics'
import { stepTimes } from 'makemoe/dist/lab/timing'
import { type PresetName, presets } from 'makemoe/dist/makemoe/presets'
import { CharTokenizer } from 'makemoe/dist/makemoe/text/char-tokenizer'
import { loadCorpus } from 'makemoe/dist/makemoe/text/corpus'
import { datasetOf } from 'makemoe/dist/makemoe/text/dataset'
import { metricsIn } from 'makemoe/dist/runs/track/metrics-file'
import { figurePage } from 'makemoe/dist/show/plot/html'
import { publishedCurves } from 'makemoe/dist/show/plot/published'
import { curvesBySteps, type MinutesCurve, minutesFigure, type StepTimes } from './minutes'
import { startRunner } from './runner'
import { sizes } from './sizes'

/** A loss in nats over the whole validation split, in at most so many minutes on two cores, and who is to reach it. */
export interface Rung {
  readonly preset: PresetName
  readonly loss: number
  readonly minutes: number
}

export const ladder: readonly Rung[] = [
  { preset: 'tiny', loss: 1.7508, minutes: 40 / 60 }, // the original's end, as published
  { preset: 'small', loss: 1.6, minutes: 4 },
  { preset: 'medium', loss: 1.5, minutes: 12 },
  { preset: 'large', loss: 1.4697, minutes: 29 }, // nanoGPT's best for this text; makeMoE.py's time for 1.7508
]

/** makeMoE.py's published curve. */
const published = publishedCurves.dropless

/** The steps after which makeMoE.py's published loss is there; undefined if it never is. */
export const stepsOfOriginal = (loss: number): number | undefined => published.steps.find((_, i) => at(published.losses, i) <= loss)

/** One training of a preset. */
export interface Climb {
  readonly preset: PresetName
  readonly seed: number
  readonly nats: number
  readonly minutes: number
  /** Milliseconds of makeMoE.py's step just before; absent without PyTorch. */
  readonly originalMs?: number
  /** Its evaluations on the way, and the exact loss at the end. */
  readonly curve?: Pick<MinutesCurve, 'minutes' | 'losses'>
}

const makemoe = (...args: string[]): string =>
  execFileSync(process.execPath, [join(projectRoot(), 'lib/dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1e8,
  })

function climb(preset: PresetName, seed: number): Pick<Climb, 'nats' | 'minutes' | 'curve'> {
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-ladder-'))
  try {
    const run = join(scratch, 'run')
    const start = Date.now()
    makemoe('train', '--preset', preset, '--seed', String(seed), '--out', run)
    const minutes = (Date.now() - start) / 60_000
    const { nats } = JSON.parse(makemoe('evaluate', '--checkpoint', run, '--json')) as { readonly nats: number } // as evaluate prints it
    const evaluations = [...metricsIn(run)].flatMap(({ val_loss: loss, time }) =>
      loss === undefined ? [] : [{ loss, minute: (time - start) / 60_000 }],
    )
    const curve = { minutes: [...evaluations.map(({ minute }) => minute), minutes], losses: [...evaluations.map(({ loss }) => loss), nats] }
    return { nats, minutes, curve }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A line of the table. */
export function summary({ preset, loss, minutes: most }: Rung, climbs: readonly Climb[]): string {
  const { blockSize, steps, batchSize } = presets[preset]
  const losses = climbs.map(({ nats }) => nats)
  const spread = losses.length > 1 ? ` ± ${deviation(losses).toFixed(4)}` : ''
  const took = median(climbs.map(({ minutes }) => minutes))
  const originalMs = median(climbs.flatMap((each) => each.originalMs ?? []))
  const there = stepsOfOriginal(loss)
  const last = published.steps.length - 1
  const original = there ?? at(published.steps, last)
  const theirs = (original * originalMs) / 60_000
  const reaches = there === undefined ? `ends at ${at(published.losses, last)}` : 'is there'
  const beside = `makeMoE.py ${reaches} after ${theirs.toFixed(1)} minutes (${original} published steps at ${originalMs.toFixed(0)} ms), ${(theirs / took).toFixed(1)} times as long`
  return [
    `${preset}: loss ${mean(losses).toFixed(4)}${spread} over windows of ${blockSize} characters, goal ${loss}: ${mean(losses) <= loss ? 'reached' : 'not reached'}`,
    `${took.toFixed(2)} minutes (goal ${most.toFixed(2)}), ${steps} steps of ${batchSize * blockSize} characters`,
    ...(Number.isNaN(theirs) ? [] : [beside]),
  ].join('; ')
}

export interface ToLossOptions {
  /** Trainings of each preset. */
  readonly seeds: number
  readonly json?: string
  /** A file for the figure of loss against minutes, the presets of the original's size among them (HTML). */
  readonly figure?: string
}

/** Milliseconds of a step of the presets whose curves are kept, measured in turns. */
async function stepTimesOfKept(): Promise<StepTimes> {
  const { makemoe, corrected, default: tuned } = presets
  const corpus = loadCorpus({ defaultFile: paths.text() })
  const tokenizer = CharTokenizer.fromText(corpus.pieces())
  const dataset = datasetOf(tokenizer, corpus, corrected.blockSize)
  const times = await stepTimes({ makemoe, corrected, default: tuned }, { config: corrected, dataset, vocabSize: tokenizer.vocabSize })
  return times ?? {} // no signal stops it
}

/** Climbs the ladder once a seed, so that the machine's load touches all rungs alike. */
export async function benchToLoss(names: readonly PresetName[], { seeds, json, figure }: ToLossOptions): Promise<void> {
  const original = existsSync(paths.pytorch()) ? startRunner('makemoe', sizes.default) : undefined
  if (!original) console.log('PyTorch is not installed: ours alone (npm run bench -- --with-pytorch fetches it)')
  const climbs: Climb[] = []
  try {
    await original?.ask('step', 2)
    for (let i = 0; i < seeds; i++)
      for (const preset of names) {
        const originalMs = original && median((await original.ask('step', 7)).times)
        const seed = presets[preset].seed + i
        const climbed = { preset, seed, ...climb(preset, seed), ...(originalMs === undefined ? {} : { originalMs }) }
        climbs.push(climbed)
        console.log(`${preset}, seed ${seed}: loss ${climbed.nats.toFixed(4)} after ${climbed.minutes.toFixed(2)} minutes`)
        if (json !== undefined) writeFileAtomic(json, `${JSON.stringify({ climbs }, null, 2)}\n`)
      }
    if (figure !== undefined) {
      const originalMs = median(climbs.flatMap((each) => each.originalMs ?? []))
      const times = { ...(Number.isNaN(originalMs) ? {} : { original: originalMs }), ...(await stepTimesOfKept()) }
      const own = climbs.filter(({ seed, preset }) => seed === presets[preset].seed)
      const ladderCurves = own.flatMap(({ preset, curve }) => (curve ? [{ name: preset, ...curve }] : []))
      writeFileAtomic(
        figure,
        figurePage(minutesFigure([...curvesBySteps(times), ...ladderCurves]), { title: 'makeMoE: minutes to a loss' }),
      )
      if (json !== undefined) writeFileAtomic(json, `${JSON.stringify({ times, climbs }, null, 2)}\n`)
    }
  } finally {
    original?.close()
  }
  console.log()
  for (const rung of ladder.filter(({ preset }) => names.includes(preset)))
    console.log(
      summary(
        rung,
        climbs.filter(({ preset }) => preset === rung.preset),
      ),
    )
}
