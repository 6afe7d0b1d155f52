/**
 * `npm run bench -- --profile`: where a training step's time goes. TensorFlow's profiler says what each thread did; what the cores did
 * neither in kernels nor in the executor nor in JavaScript, they waited.
 */
import { availableParallelism } from 'node:os'
import { mean } from 'makemoe/dist/base/numbers'
import { median } from 'makemoe/dist/lab/statistics'
import { aligned } from 'makemoe/dist/lab/table'
import { type ProfileEvent, profile } from './profiler'
import { untimedCalls } from './runner'
import { type SizeName, sizes } from './sizes'
import { build } from './worker'

const timedSteps = 20
/** Of kinds of op; the others share a line. */
const shown = 16

/** The thread that starts a function waits in these for its end. */
const waiting = ['KernelAndDeviceFunc::Run', 'FunctionRun']

/** What a kind of op takes in a step. */
export interface KindTime {
  readonly kind: string
  readonly count: number
  /** Of all cores together. */
  readonly ms: number
}

/** Sums of events by kind of op, largest first, and of the executor's own work: a step's share of so many. */
export function timesByKind(threads: readonly (readonly ProfileEvent[])[], steps: number): { kinds: KindTime[]; executorMs: number } {
  const sums = new Map<string, { count: number; ms: number }>()
  let executorMs = 0
  for (const { name, op, selfMs } of threads.flat()) {
    if (op === undefined) {
      if (!waiting.includes(name)) executorMs += selfMs / steps
      continue
    }
    const { count, ms } = sums.get(op) ?? { count: 0, ms: 0 }
    sums.set(op, { count: count + 1 / steps, ms: ms + selfMs / steps })
  }
  const kinds = [...sums].map(([kind, sum]) => ({ kind, ...sum })).sort((a, b) => b.ms - a.ms)
  return { kinds, executorMs }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

/** The table of a step. `outsideMs`: of the step's time, what it took before and after TensorFlow's part. */
export function profileTable(
  { kinds, executorMs }: ReturnType<typeof timesByKind>,
  { stepMs, outsideMs, cores }: { readonly stepMs: number; readonly outsideMs: number; readonly cores: number },
): string {
  const rest = kinds.slice(shown)
  const total = sum(kinds.map(({ ms }) => ms)) + executorMs + outsideMs
  const row = (name: string, count: number | undefined, ms: number): string[] => [
    name,
    count === undefined ? '' : count.toFixed(0),
    ms.toFixed(2),
    `${((100 * ms) / (cores * stepMs)).toFixed(1)} %`,
  ]
  return aligned([
    ['kernel', 'count', 'core-ms', 'of the cores'],
    ...kinds.slice(0, shown).map(({ kind, count, ms }) => row(kind, count, ms)),
    ...(rest.length > 0 ? [row(`${rest.length} other kinds`, sum(rest.map(({ count }) => count)), sum(rest.map(({ ms }) => ms)))] : []),
    row("TensorFlow's executor", undefined, executorMs),
    row('JavaScript, calls', undefined, outsideMs),
    row('idle', undefined, Math.max(0, cores * stepMs - total)),
  ])
}

/** Profiles a training step of each size, dropless, in this process. */
export function benchProfile(names: readonly SizeName[]): void {
  const cores = availableParallelism()
  for (const name of names) {
    const { once, traces } = build({ model: 'ours', size: sizes[name], what: 'step', times: 1 })
    const steps = (count: number): number[] => Array.from({ length: count }, () => once('step'))
    steps(untimedCalls)
    const plainMs = median(steps(timedSteps))
    let times: number[] = []
    const threads = profile(() => {
      times = steps(timedSteps)
    })
    const stepMs = mean(times)
    const inTensorflow = sum(threads.flat().flatMap(({ name, ms }) => (name === 'EagerExecute' ? [ms] : []))) / timedSteps
    console.log(
      `\n${name}: a step takes ${plainMs.toFixed(1)} ms, ${stepMs.toFixed(1)} under the profiler; ${traces.step?.operations} operations`,
    )
    console.log(profileTable(timesByKind(threads, timedSteps), { stepMs, outsideMs: stepMs - inTensorflow, cores }))
  }
}
