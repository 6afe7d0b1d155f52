/**
 * `npm run bench`: milliseconds of a training step, an evaluation batch and a generated token, in graph mode and eagerly, beside PyTorch if it
 * is installed, at several sizes. All take turns in one run, so that the machine's load touches all alike; medians and quartiles are shown,
 * beside what the arithmetic alone would take, and the memory that each needs.
 */
import { existsSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { at, keysOf } from 'makemoe/dist/base/assertions'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { paths } from 'makemoe/dist/cli/setup/paths'
import { compile } from 'makemoe/dist/engine/graph/compile'
import { type Tensor, tf } from 'makemoe/dist/engine/tensor/tf'
import { defaultThreads } from 'makemoe/dist/engine/tensorflow/context'
import { quantile } from 'makemoe/dist/lab/statistics'
import { figurePage } from 'makemoe/dist/show/plot/html'
import { growthFigure } from './growth'
import { type Answer, type BenchModel, models, startRunner, untimedCalls, type What, whats } from './runner'
import { type BenchSize, type Dimension, forwardFlops, grown, growth, type SizeName, sizes } from './sizes'

export interface BenchOptions {
  readonly withPytorch?: boolean
  /** Where the numbers go as JSON. */
  readonly json?: string
  /** Turns. */
  readonly rounds: number
  readonly size: SizeName | 'all'
  /** A file for the figure of time and memory as the default size grows, which is then measured too. */
  readonly growth?: string
}

/** The machine's product of two matrices of 1,024, in GFLOP/s over all cores: as many at a time as there are cores. */
function matmulRate(): number {
  const size = 1024
  const count = 4 * availableParallelism()
  const products = compile((a: Tensor, b: Tensor) => tf.addN(Array.from({ length: count }, (_, i) => tf.matMul(tf.add(a, i), b))))
  const [a, b] = [tf.randomUniform([size, size]), tf.randomUniform([size, size])]
  const times = Array.from({ length: 6 }, () => {
    const start = performance.now()
    const result = products(a, b)
    result.dataSync()
    result.dispose()
    return performance.now() - start
  })
  tf.dispose([a, b])
  products.dispose()
  return (2 * size ** 3 * count) / (Math.min(...times.slice(1)) * 1e6)
}

export interface BenchResult {
  /** The name of the size, or the dimension that grew. */
  readonly name: SizeName | Dimension
  readonly size: BenchSize
  readonly model: BenchModel
  readonly what: What
  /** Milliseconds. */
  readonly median: number
  readonly quartiles: readonly [number, number]
  /** The best rate of matrix products seen in any turn, in GFLOP/s over all cores. */
  readonly gflops: number
  /** What the arithmetic of a dropless model takes at least at that rate, in milliseconds; of a token undefined. */
  readonly boundMs?: number
  /** The most memory that the process had held until then; steps come first. */
  readonly peakMB: number
  /** Milliseconds to trace the function, and its operations; absent where nothing is traced. */
  readonly trace?: { readonly ms: number; readonly operations: number }
  /** Milliseconds from the start of the process to the end of its first training step. */
  readonly firstStepMs: number
}

interface Plan {
  readonly name: BenchResult['name']
  readonly size: BenchSize
  readonly models: readonly BenchModel[]
  readonly whats: readonly What[]
  readonly rounds: number
}

const isCompiled = (model: BenchModel): boolean => model === 'ours' || model === 'ours-capacity'

/** Ours alone keeps keys and values. */
const isMeasured = (what: What, model: BenchModel): boolean => what !== 'cached' || model === 'ours'

/** Starts each program, times its first step, then alternates. */
async function measure({ name, size, models, whats, rounds }: Plan): Promise<BenchResult[]> {
  const rates: number[] = []
  const entrants: { runner: ReturnType<typeof startRunner>; firstStepMs: number }[] = []
  const measured = new Map<string, { times: number[]; last: Answer }>()
  try {
    for (const model of models) {
      const start = performance.now()
      const runner = startRunner(model, size)
      entrants.push({ runner, firstStepMs: Number.NaN })
      await runner.ask('step', 1)
      entrants[entrants.length - 1] = { runner, firstStepMs: performance.now() - start }
    }
    for (let round = -1; round < rounds; round++) {
      rates.push(matmulRate())
      for (const what of whats)
        for (const { runner } of entrants.filter(({ runner }) => isMeasured(what, runner.model))) {
          const answer = await runner.ask(
            what,
            round < 0 && isCompiled(runner.model) ? untimedCalls : runner.model === 'ours-eager' ? 1 : 3,
          )
          const key = `${runner.model}/${what}`
          // The first turn warms up; its memory is that of steps alone.
          const known = measured.get(key) ?? { times: [], last: answer }
          if (round >= 0) known.times.push(...answer.times)
          measured.set(key, { times: known.times, last: { ...answer, peakMB: what === 'step' ? known.last.peakMB : answer.peakMB } })
        }
    }
  } finally {
    for (const { runner } of entrants) runner.close()
  }
  const gflops = Math.max(...rates) // a bound is made from the best
  return entrants.flatMap(({ runner: { model }, firstStepMs }) =>
    whats
      .filter((what) => isMeasured(what, model))
      .map((what): BenchResult => {
        const { times = [], last } = measured.get(`${model}/${what}`) ?? {}
        const flops = what === 'token' || what === 'cached' ? undefined : (what === 'step' ? 3 : 1) * forwardFlops(size, what === 'step')
        const trace = last?.traces?.[what]
        return {
          name,
          size,
          model,
          what,
          median: quantile(times, 0.5),
          quartiles: [quantile(times, 0.25), quantile(times, 0.75)],
          gflops,
          ...(flops === undefined ? {} : { boundMs: flops / gflops / 1e6 }),
          peakMB: last?.peakMB ?? Number.NaN,
          ...(trace ? { trace } : {}),
          firstStepMs,
        }
      }),
  )
}

const columns = [
  'who',
  'what',
  'median ms',
  'quartiles',
  'x bound',
  'x PyTorch',
  'x makeMoE',
  'peak MB',
  'trace ms',
  'operations',
  '1st step s',
]
const widths = [19, 11, 10, 18, 8, 10, 10, 8, 9, 11, 11] as const
const line = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i < 2 ? cell.padEnd(at(widths, i)) : cell.padStart(at(widths, i)))).join('')

function print(results: readonly BenchResult[]): void {
  const { size, gflops } = at(results, 0)
  const { nEmbed, nHead, nLayer, blockSize, batchSize, numExperts } = size
  const bounds = whats.flatMap((what) => results.find((result) => result.what === what)?.boundMs ?? [])
  const atLeast = bounds.map((bound) => `${bound.toFixed(0)} ms`).join(' and ')
  console.log(
    `\n${at(results, 0).name}: C ${nEmbed}, ${nHead} heads, ${nLayer} layers, context ${blockSize}, batch ${batchSize}, ${numExperts} experts; ` +
      `a step and an evaluation take at least ${atLeast} at ${gflops.toFixed(0)} GFLOP/s\n${line(columns)}`,
  )
  for (const { model, what, median, quartiles, boundMs, peakMB, trace, firstStepMs } of results) {
    const times = (other: BenchModel): string => {
      const reference = results.find((result) => result.model === other && result.what === what)
      return reference && model.startsWith('ours') ? (median / reference.median).toFixed(2) : ''
    }
    console.log(
      line([
        models[model],
        what,
        median.toFixed(1),
        quartiles.map((value) => value.toFixed(1)).join(' to '),
        boundMs === undefined ? '' : (median / boundMs).toFixed(2),
        times('optimized'),
        times('makemoe'),
        peakMB.toFixed(0),
        trace ? trace.ms.toFixed(0) : '',
        trace ? String(trace.operations) : '',
        what === 'step' ? (firstStepMs / 1000).toFixed(1) : '',
      ]),
    )
  }
}

/** Measures, prints a table, and writes JSON and a figure if asked. */
export async function bench({ withPytorch = false, json, rounds, size: wanted, growth: figureFile }: BenchOptions): Promise<void> {
  const pytorch: BenchModel[] = withPytorch || existsSync(paths.pytorch()) ? ['makemoe', 'optimized'] : []
  const { interOp, intraOp } = defaultThreads()
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), threads: { interOp, intraOp } }
  console.log(`${machine.cpu}, ${machine.cores} cores, threads ${interOp}/${intraOp} (ops at a time / in an op)`)
  if (pytorch.length === 0) console.log('PyTorch is not installed: ours alone (npm run bench -- --with-pytorch fetches it)')
  const results: BenchResult[] = []
  const add = async (plan: Plan): Promise<void> => {
    const measured = await measure(plan)
    print(measured)
    results.push(...measured)
    if (json !== undefined) writeFileAtomic(json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
  }
  for (const name of keysOf(sizes).filter((name) => wanted === 'all' || name === wanted)) {
    const eager: BenchModel[] = name === 'default' ? ['ours-eager'] : []
    const shown = name === 'default' ? whats : (['step', 'evaluation'] as const)
    await add({ name, size: sizes[name], models: ['ours', 'ours-capacity', ...eager, ...pytorch], whats: shown, rounds })
  }
  if (figureFile === undefined) return
  const plans = keysOf(growth).flatMap((name) => growth[name].map((value): [Dimension, number] => [name, value]))
  for (const [name, value] of plans)
    await add({
      name,
      size: grown(name, value),
      models: ['ours', ...pytorch],
      whats: ['step', 'evaluation'],
      rounds: Math.ceil(rounds / 2),
    })
  const points = results.flatMap(({ name, size, model, what, median, peakMB }) =>
    name in growth ? [{ dimension: name, value: size[name as Dimension], who: models[model], what, ms: median, peakMB }] : [],
  )
  writeFileAtomic(figureFile, figurePage(growthFigure(points), { title: 'makeMoE: cost by size' }))
}
