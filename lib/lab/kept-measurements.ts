/**
 * The measurements in a comparison's folder: one file each, named by a checksum of all that decides the result, so that a comparison that was
 * stopped or killed continues where it was and nothing else is ever reused: config with seed, vocabulary size, the text's token ids, the code
 * that trains and measures, whether steps are compiled, and where a variant has parts of its own the code that they come from.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { codeVersion } from '../base/code-version'
import { CheckpointError, RunError } from '../base/errors'
import { lockFile, writeFileAtomic } from '../base/files'
import { commandLine } from '../base/installed'
import type { Dataset } from '../makemoe/text/dataset'
import type { Compile } from '../makemoe/train/compile'
import { readJson } from '../runs/checkpoint'
import { type PlannedTraining, type TrainingResult, trainingResultSchema } from './measurement'
import type { Variant } from './variants'

const rooms = ['base', 'engine', 'makemoe', 'runs', 'lab']

/** What decides no result: what gives names to configs, which are in the checksum themselves, and what shows results. */
const decidesNothing = ['makemoe/presets', 'lab/recipe', 'lab/summary', 'lab/table', 'lab/speed-up']

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex')

/** The sha256 of a dataset's token ids. */
function datasetSha256({ splits }: Dataset): string {
  const hash = createHash('sha256')
  for (const split of Object.values(splits)) hash.update(split).update('|')
  return hash.digest('hex')
}

const hasOwnParts = ({ parts = {} }: Variant): boolean => Object.values(parts).some((part) => part !== undefined)

/** What all trainings of a comparison share, besides the config. */
export interface SharedConditions {
  readonly dataset: Dataset
  readonly vocabSize: number
  readonly compile: Compile
  /** The code that the variants' own parts come from; without it, trainings with such parts are not kept. */
  readonly partsSource?: string | undefined
}

/** What the folder has, and takes. */
export class KeptMeasurements {
  private readonly conditions: string

  constructor(
    private readonly folder: string,
    private readonly shared: SharedConditions,
  ) {
    const { dataset, vocabSize, compile } = shared
    const identity = (): void => {}
    const code = codeVersion(rooms, undefined, decidesNothing)
    this.conditions = JSON.stringify([code, vocabSize, datasetSha256(dataset), compile(identity) === identity ? 'eager' : 'compiled'])
  }

  /**
   * Takes the folder for this process.
   * @returns a function that gives it back
   * @throws RunError if another process has it
   */
  lock(): () => void {
    const note = 'measurements/ has a file for each training, which is not made again unless the code, the text or the variant has changed.'
    writeFileAtomic(join(this.folder, 'README'), `Made by ${commandLine('compare')}; ${note}\n`)
    const unlock = lockFile(join(this.folder, 'lock'))
    if (!unlock) throw new RunError(`another process is comparing in ${this.folder}`)
    return unlock
  }

  /** A training's file; undefined if nothing shows what its parts do. A variant's name counts only where it names parts. */
  private trainingFile({ name, variant, config }: PlannedTraining): string | undefined {
    const { partsSource } = this.shared
    if (!hasOwnParts(variant)) return this.file('', [config])
    return partsSource === undefined ? undefined : this.file('', [config, partsSource, name])
  }

  private file(prefix: string, decisive: unknown): string {
    return join(this.folder, 'measurements', `${prefix}${sha256(JSON.stringify([this.conditions, decisive])).slice(0, 24)}.json`)
  }

  /** Whether a training was made before. */
  has(plan: PlannedTraining): boolean {
    const file = this.trainingFile(plan)
    return file !== undefined && existsSync(file)
  }

  /**
   * The result of a training that was made before.
   * @throws CheckpointError if its file is damaged
   */
  find(plan: PlannedTraining): TrainingResult | undefined {
    const file = this.trainingFile(plan)
    if (file === undefined || !existsSync(file)) return undefined
    return { ...readAs(trainingResultSchema, file), variant: plan.name }
  }

  keep(plan: PlannedTraining, result: TrainingResult): void {
    const file = this.trainingFile(plan)
    if (file !== undefined) writeFileAtomic(file, `${JSON.stringify(result)}\n`)
  }

  /**
   * Step times by variant, measured unless the same machine measured the same variants in the same way before.
   * @param plans one for each variant
   * @param timing how they are measured
   */
  async times(
    plans: readonly PlannedTraining[],
    timing: object,
    measure: () => Promise<Record<string, number> | undefined>,
  ): Promise<Record<string, number> | undefined> {
    const trainings = plans.flatMap((plan) => this.trainingFile(plan) ?? [])
    if (trainings.length < plans.length) return measure()
    const machine = [cpus()[0]?.model, availableParallelism()]
    const file = this.file('times-', [trainings.map((training) => basename(training)), timing, machine])
    const names = plans.map(({ name }) => name)
    if (existsSync(file)) {
      const values = readAs(z.array(z.number()).length(names.length), file)
      return Object.fromEntries(names.map((name, i) => [name, values[i] ?? Number.NaN]))
    }
    const times = await measure()
    if (times) writeFileAtomic(file, `${JSON.stringify(names.map((name) => times[name]))}\n`)
    return times
  }
}

/** @throws CheckpointError */
function readAs<T>(schema: z.ZodType<T>, file: string): T {
  const parsed = schema.safeParse(readJson(file))
  if (parsed.success) return parsed.data
  throw new CheckpointError(`${file} is not a measurement of this project; delete it, and it is made again`)
}
