/**
 * `npm run bench -- --workers 1,2`: the milliseconds of a training step in one and more processes, what each sends, and how long it waits. The batch
 * is the same in total, and every number of processes runs in turn in a network of its own.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { keysOf } from 'makemoe/dist/base/assertions'
import { ClusterError } from 'makemoe/dist/base/errors'
import { writeFileAtomic } from 'makemoe/dist/base/files'
import { launch, requireNamespace } from 'makemoe/dist/cli/launcher'
import { projectRoot } from 'makemoe/dist/cli/setup/paths'
import { stopSignal } from 'makemoe/dist/cli/stopping'
import { quantile } from 'makemoe/dist/lab/statistics'
import { presets } from 'makemoe/dist/makemoe/presets'
import { loadCheckpoint } from 'makemoe/dist/runs/checkpoint'
import { checkShares, type Parallelism } from 'makemoe/dist/runs/cluster/member'
import { checkpointIn } from 'makemoe/dist/runs/run-folder'
import { type BenchSize, type SizeName, sizes } from './sizes'
import type { TeamAnswer, TeamRequest } from './team-worker'

export interface WorkersBenchOptions {
  /** How many processes, one row of the table each. */
  readonly workers: readonly number[]
  readonly size: SizeName | 'all'
  /** A run's folder: its model is measured, on its text, in place of new ones of a size. */
  readonly checkpoint?: string
  /** Infinity: dropless. */
  readonly capacityFactors?: readonly number[]
  readonly parallel?: Parallelism
  /** Turns of three steps. */
  readonly rounds: number
  /** Where the numbers go as JSON. */
  readonly json?: string
  readonly trustNetwork?: boolean
}

export interface WorkersResult {
  /** That of the size, or the run's folder. */
  readonly name: string
  readonly size: BenchSize
  readonly workers: number
  readonly parallel: Parallelism
  /** Absent: dropless. */
  readonly capacityFactor?: number
  /** Milliseconds of a step. */
  readonly median: number
  readonly quartiles: readonly [number, number]
  /**
   * Milliseconds of a step that worker 0 spends on the others: the median less that of the same steps in which every exchange is left out,
   * made by all processes at the same time. It holds the transport, and the waiting for whoever has more to do.
   */
  readonly waited: number
  /** Bytes that a process sends in a step: see `Collectives.bytesSent`. */
  readonly bytesSent: number
  /** See `TeamAnswer.busiest`; absent where experts are not dealt out. */
  readonly busiest?: number
}

const columns = ['workers', 'capacity', 'median ms', 'quartiles', 'waited ms', 'sent MB', 'busiest %'] as const
const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padStart(i === 3 ? 18 : 11)).join('')

/** What is measured: the models of a size, or a trained one. */
function modelsOf({
  size: wanted,
  checkpoint,
}: WorkersBenchOptions): (Pick<TeamRequest, 'size' | 'checkpoint' | 'vocabSize'> & { name: string })[] {
  if (checkpoint === undefined)
    return keysOf(sizes).flatMap((name) => (wanted === 'all' || name === wanted ? [{ name, size: sizes[name] }] : []))
  const folder = checkpointIn(checkpoint)
  const { model, config, tokenizer } = loadCheckpoint(folder)
  model.dispose() // the workers load it
  return [{ name: checkpoint, size: config, checkpoint: folder, vocabSize: tokenizer.vocabSize }]
}

/**
 * Measures, prints a table, and writes JSON if asked.
 * @throws ConfigError if a size cannot be shared by that many; CheckpointError; ClusterError if a worker was lost
 */
export async function benchWorkers(options: WorkersBenchOptions): Promise<void> {
  const { workers: counts, parallel = 'experts', capacityFactors = [Infinity, 1], rounds, json, trustNetwork = false } = options
  const models = modelsOf(options)
  for (const { size } of models) for (const count of counts) checkShares({ ...presets.makemoe, ...size }, count, parallel)
  const isolated = requireNamespace(trustNetwork)
  const signal = stopSignal()
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism() }
  console.log(`${machine.cpu}, ${machine.cores} cores; --parallel ${parallel}`)
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-bench-'))
  const results: WorkersResult[] = []
  try {
    for (const { name, ...model } of models) {
      const { nEmbed, nLayer, blockSize, batchSize, numExperts } = model.size
      console.log(
        `\n${name}: C ${nEmbed}, ${nLayer} layers, context ${blockSize}, batch ${batchSize} in total, ${numExperts} experts\n${line(columns)}`,
      )
      for (const factor of capacityFactors)
        for (const workers of counts) {
          const capacity = Number.isFinite(factor) ? { capacityFactor: factor } : {}
          const request: TeamRequest = { ...model, ...capacity, parallel, rounds }
          const file = join(scratch, 'answer.json')
          const command = [process.execPath, join(projectRoot(), 'test/dist/bench/team-worker.js'), JSON.stringify(request), file]
          const { lost } = await launch({ workers, isolated, command, signal })
          if (lost !== undefined) throw new ClusterError(lost)
          const { together, alone, bytesSent, busiest } = JSON.parse(readFileSync(file, 'utf8')) as TeamAnswer // worker 0 wrote it
          const median = quantile(together, 0.5)
          const result: WorkersResult = {
            name,
            size: model.size,
            workers,
            parallel,
            ...capacity,
            median,
            quartiles: [quantile(together, 0.25), quantile(together, 0.75)],
            waited: workers === 1 ? 0 : median - quantile(alone, 0.5),
            bytesSent,
            ...(parallel === 'experts' ? { busiest } : {}),
          }
          results.push(result)
          const quartiles = result.quartiles.map((value) => value.toFixed(1)).join(' to ')
          const numbers = [median.toFixed(1), quartiles, result.waited.toFixed(1), (bytesSent / 1e6).toFixed(2)]
          const share = result.busiest === undefined ? '' : (100 * result.busiest).toFixed(1)
          console.log(line([String(workers), Number.isFinite(factor) ? String(factor) : 'dropless', ...numbers, share]))
          if (json !== undefined) writeFileAtomic(json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
        }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
