/**
 * Setup: a fresh clone becomes a working project. Each step knows when it is already done (a key of its inputs, kept in `.venv`),
 * writes beside its place and renames at the end, so that an interrupted setup is simply run again.
 */
import { existsSync, readFileSync } from 'node:fs'
import { writeFileAtomic } from '../../base/files'
import { paths } from './paths'
import { tensorflowWheel } from './platform'
import { withProgress } from './progress'
import { environmentStep, jupyterStep, kernelStep, mlflowStep, pytorchStep, type Step, tensorflowStep, textStep } from './steps'

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
export async function setup(options: SetupOptions, say: (line: string) => void = console.log): Promise<void> {
  const gpu = options.gpu ?? readStamps().gpu === 'yes'
  const wheel = tensorflowWheel(process.platform, process.arch, gpu)
  const steps: (() => Step)[] = [environmentStep, () => tensorflowStep(wheel, gpu)]
  if (options.jupyter) steps.push(jupyterStep, kernelStep)
  if (options.pytorch) steps.push(pytorchStep)
  if (options.mlflow) steps.push(mlflowStep)
  if (options.text) steps.push(textStep)
  for (const makeStep of steps) {
    const { name, key, product, run } = makeStep()
    if (existsSync(product) && (key === undefined || readStamps()[name] === key)) continue
    const start = Date.now()
    const result = await withProgress(name, run, say)
    // The environment step clears .venv and the stamps in it, so they are read again.
    const stamps = { ...readStamps(), ...(key === undefined ? {} : { [name]: key }), gpu: gpu ? 'yes' : 'no' }
    writeFileAtomic(paths.stamps(), `${JSON.stringify(stamps, null, 2)}\n`)
    say(`${name}: ${result} (${((Date.now() - start) / 1000).toFixed(1)} s)`)
  }
}
