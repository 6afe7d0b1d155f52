/**
 * `makemoe bench`: milliseconds of a training step, an evaluation batch and a written character, in graph mode and eagerly, beside PyTorch
 * if it is there. All take turns in one run, a few times each, so that a machine's moods touch all alike; medians and quartiles are shown.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { presets } from '../config'
import { SetupError } from '../errors'
import { writeFileWhole } from '../files'
import { compile } from '../graph/compile'
import { defaultThreads } from '../graph/runtime'
import { SparseMoELanguageModel } from '../model/language-model'
import { nextCharacter } from '../model/sampler'
import { createStreams } from '../tensor/streams'
import { type Tensor, tf } from '../tensor/tf'
import { AdamW } from '../train/adamw'
import { batchesAtOnce, inBranches } from '../train/evaluate'
import { makeTrainStep } from '../train/step'
import { paths, projectRoot } from './setup/paths'

export interface BenchOptions {
  readonly withPytorch?: boolean
  /** Where the numbers go as JSON. */
  readonly json?: string
  /** Turns. */
  readonly rounds: number
  /** Only the default sizes, without the scaling of experts and batch. */
  readonly quick?: boolean
}

type What = 'step' | 'evaluation' | 'token'
const whats: readonly What[] = ['step', 'evaluation', 'token']

/** Who is timed: each call is one measurement in milliseconds. */
interface Runner {
  readonly name: string
  time(what: What, times: number): Promise<number[]>
  close(): void
}

interface Size {
  readonly experts: number
  readonly batch: number
}

/** Ours. */
function ourRunner(name: string, { experts, batch }: Size, capacityFactor: number | undefined, eager: boolean): Runner {
  const streams = createStreams(1)
  const config = { ...presets.makemoe, numExperts: experts, capacityFactor, vocabSize: 65 }
  const model = new SparseMoELanguageModel(config, streams.init)
  const parameters = model.parameters()
  const optimizer = new AdamW(parameters)
  const fast: typeof compile = eager ? (((fn: unknown) => fn) as typeof compile) : compile
  const step = fast(makeTrainStep((x, y) => model.loss(x, y, { training: true, streams }), parameters, optimizer))
  const separate = capacityFactor !== undefined
  const loss = inBranches((x, y) => model.loss(x, y, { training: false, streams }), separate ? batch : 1)
  const evaluation = fast((x: Tensor, y: Tensor) => tf.tidy(() => loss(x, y)))
  const token = fast((window: Tensor, last: Tensor) => nextCharacter(model, window, last, {}, { training: false, streams }))
  const once = (what: What): number => {
    const batches = what === 'evaluation' ? batchesAtOnce(separate) : 1
    const rows = what === 'token' ? 1 : batch * batches
    const [x, y] = [0, 1].map(() => streams.data.integers([rows, 32], 0, 65)) as [Tensor, Tensor]
    x.dataSync()
    y.dataSync()
    const last = tf.tensor1d([31], 'int32')
    const start = performance.now()
    const result = what === 'step' ? step(x, y) : what === 'evaluation' ? evaluation(x, y) : token(x, last)
    result.dataSync()
    const ms = performance.now() - start
    tf.dispose([x, y, last, result])
    return ms / batches
  }
  return {
    name,
    time: async (what, times) => Array.from({ length: times }, () => once(what)),
    close: () => {
      if (!eager) for (const fn of [step, evaluation, token]) (fn as ReturnType<typeof compile>).dispose()
      model.dispose()
      optimizer.dispose()
    },
  }
}

/** PyTorch, in a process of its own that waits while others are timed. */
function pytorchRunner(model: 'makemoe' | 'optimised', { experts, batch }: Size): Runner {
  const env = { ...process.env, PYTHONWARNINGS: 'ignore' }
  const script = join(projectRoot(), 'test/pytorch/bench.py')
  const child = spawn(paths.python(), [script, String(availableParallelism())], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    name: model === 'makemoe' ? 'makeMoE.py' : 'PyTorch, optimised',
    async time(what, times) {
      const together = model === 'optimised' ? batchesAtOnce(false) : 1
      child.stdin.write(`${JSON.stringify({ model, experts, batch, what, times, together })}\n`)
      const { value } = await lines.next()
      if (value === undefined) throw new SetupError('PyTorch ended unexpectedly', 'npm run bench -- --with-pytorch installs it')
      return JSON.parse(value as string) as number[]
    },
    close: () => void child.stdin.end(),
  }
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

export interface BenchResult extends Size {
  readonly runner: string
  readonly what: What
  /** Milliseconds. */
  readonly median: number
  readonly quartiles: readonly [number, number]
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number
}

/** All runners take turns. */
async function takeTurns(runners: readonly Runner[], size: Size, rounds: number, shown: readonly What[]): Promise<BenchResult[]> {
  const times = new Map<string, number[]>()
  for (let round = -1; round < rounds; round++)
    for (const what of shown)
      for (const runner of runners) {
        const measured = await runner.time(what, round < 0 ? 4 : runner.name.includes('eager') ? 1 : 4) // the first turn warms up
        const key = `${runner.name}/${what}`
        if (round >= 0) times.set(key, [...(times.get(key) ?? []), ...measured])
      }
  for (const runner of runners) runner.close()
  return runners.flatMap(({ name }) =>
    shown.map((what) => {
      const sorted = (times.get(`${name}/${what}`) as number[]).sort((a, b) => a - b)
      return {
        runner: name,
        what,
        ...size,
        median: quantile(sorted, 0.5),
        quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)] as const,
      }
    }),
  )
}

function print(results: readonly BenchResult[]): void {
  const row = ({ runner, what, experts, batch, median, quartiles: [low, high] }: BenchResult): string =>
    `${runner.padEnd(24)} ${what.padEnd(11)} ${String(experts).padStart(7)} ${String(batch).padStart(6)} ${median.toFixed(1).padStart(9)}   ${low.toFixed(1)} to ${high.toFixed(1)}`
  for (const result of results) console.log(row(result))
}

/** Measures, prints a table, and writes JSON if asked. */
export async function bench({ withPytorch = false, json, rounds, quick = false }: BenchOptions): Promise<void> {
  const pytorch = withPytorch || existsSync(paths.pytorch())
  const { interOp, intraOp } = defaultThreads()
  const gflops = matmulRate()
  const bound = (8.33 / gflops) * 1000
  console.log(`${cpus()[0]?.model}, ${availableParallelism()} cores, threads ${interOp}/${intraOp} (ops at a time / in an op)`)
  console.log(`matrix products: ${gflops.toFixed(0)} GFLOP/s; 8.33 GFLOP of a default step take at least ${bound.toFixed(0)} ms`)
  if (!pytorch) console.log('PyTorch is not installed: ours alone (npm run bench -- --with-pytorch fetches it)')
  console.log(`${'who'.padEnd(24)} ${'what'.padEnd(11)} experts  batch median ms   quartiles`)
  const results: BenchResult[] = []
  const measure = async (size: Size, shown: readonly What[], turns: number, eager: boolean): Promise<void> => {
    const runners = [
      ourRunner('ours', size, undefined, false),
      ourRunner('ours, capacity 1', size, 1, false),
      ...(eager ? [ourRunner('ours, eager', size, undefined, true)] : []),
      ...(pytorch ? [pytorchRunner('makemoe', size), pytorchRunner('optimised', size)] : []),
    ]
    const measured = await takeTurns(runners, size, turns, shown)
    print(measured)
    results.push(...measured)
  }
  await measure({ experts: 8, batch: 16 }, whats, rounds, true)
  if (!quick) {
    for (const experts of [16, 32, 64]) await measure({ experts, batch: 16 }, ['step', 'evaluation'], Math.ceil(rounds / 2), false)
    for (const batch of [4, 64]) await measure({ experts: 8, batch }, ['step', 'evaluation'], Math.ceil(rounds / 2), false)
  }
  if (json !== undefined) {
    const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), threads: { interOp, intraOp }, gflops, boundMs: bound }
    writeFileWhole(json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
  }
}
