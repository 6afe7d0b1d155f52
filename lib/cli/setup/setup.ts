/**
 * Setup: a fresh clone becomes a working project. Each step knows when it is already done (a key of its inputs, kept in `.venv`),
 * writes beside its place and renames at the end, so that an interrupted setup is simply run again. One process at a time does so.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { SetupError } from '../../base/errors'
import { lockFile, writeFileAtomic } from '../../base/files'
import { paths } from './paths'
import { tensorflowWheel } from './platform'
import { withProgress } from './progress'
import {
  environmentStep,
  jupyterStep,
  kernelStep,
  mlflowStep,
  pytorchStep,
  type Step,
  shakespeareStep,
  tensorflowStep,
  textStep,
} from './steps'

/** What to set up. */
export interface SetupOptions {
  /** Take the CUDA build of TensorFlow and its libraries. Default: what was chosen before, else false. */
  readonly gpu?: boolean
  /** Install JupyterLab and the TypeScript kernel too. */
  readonly jupyter: boolean
  /** Install MLflow too, in an environment of its own. */
  readonly mlflow?: boolean
  /** Install PyTorch too, for the bench. */
  readonly pytorch?: boolean
  /** Fetch the text too. */
  readonly text: boolean
  /** Fetch the complete plays too. */
  readonly shakespeare?: boolean
}

type Stamps = Record<string, string>

function readStamps(): Stamps {
  try {
    return JSON.parse(readFileSync(paths.stamps(), 'utf8')) as Stamps
  } catch {
    return {}
  }
}

/**
 * Does every step that is not done yet, one line a step with its time. A finished project answers in about a second.
 * @throws SetupError with a remedy when a step fails.
 */
export async function setup(options: SetupOptions, log: (line: string) => void = console.log): Promise<void> {
  const gpu = options.gpu ?? readStamps().gpu === 'yes'
  const wheel = tensorflowWheel(process.platform, process.arch, gpu)
  const steps: (() => Step)[] = [environmentStep, () => tensorflowStep(wheel, gpu)]
  if (options.jupyter) steps.push(jupyterStep, kernelStep)
  if (options.pytorch) steps.push(pytorchStep)
  if (options.mlflow) steps.push(mlflowStep)
  if (options.text) steps.push(textStep)
  if (options.shakespeare) steps.push(shakespeareStep)
  if (steps.every((makeStep) => isDone(makeStep()))) return
  const unlock = await waitForLock(paths.setupLock(), () => log('another process is setting up this folder; waiting for it'))
  try {
    for (const makeStep of steps) await perform(makeStep(), gpu, log)
  } finally {
    unlock()
  }
}

/** Whether a step was done with its present key, and what it made is still there. */
const isDone = ({ name, key, product }: Step): boolean => existsSync(product) && (key === undefined || readStamps()[name] === key)

/** Does a step unless it is done; its stamp comes last. */
async function perform(step: Step, gpu: boolean, log: (line: string) => void): Promise<void> {
  if (isDone(step)) return
  const { name, key, product, run } = step
  const start = Date.now()
  const result = await withProgress(name, run, log)
  if (!existsSync(product)) throw new SetupError(`${name}: ${product} is not there after its installation`, 'run this again')
  // The environment step clears .venv and the stamps in it, so they are read again.
  const stamps = { ...readStamps(), ...(key === undefined ? {} : { [name]: key }), gpu: gpu ? 'yes' : 'no' }
  writeFileAtomic(paths.stamps(), `${JSON.stringify(stamps, null, 2)}\n`)
  log(`${name}: ${result} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
}

/** Takes a lock as soon as whoever has it gives it back. */
async function waitForLock(file: string, waiting: () => void): Promise<() => void> {
  mkdirSync(dirname(file), { recursive: true })
  for (let tries = 0; ; tries++) {
    const unlock = lockFile(file)
    if (unlock) return unlock
    if (tries === 0) waiting()
    await wait(200)
  }
}
