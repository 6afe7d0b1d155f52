/**
 * `makemoe bench --workers 1,2`: the milliseconds of a training step in so many processes, what each sends, and how long it waits. The batch
 * is the same in total, and every number of processes runs in turn in a network of its own.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { keysOf } from '../../checked'
import { checkShares, type Parallelism } from '../../cluster/member'
import { presets } from '../../config'
import { ClusterError } from '../../errors'
import { writeFileAtomic } from '../../files'
import { quantile } from '../../lab/statistics'
import { launch, requireNamespace } from '../launcher'
import { stopSignal } from '../stopping'
import { type BenchSize, type SizeName, sizes } from './sizes'
import type { TeamAnswer, TeamRequest } from './team-worker'

export interface WorkersBenchOptions {
  /** How many processes, one row of the table each. */
  readonly workers: readonly number[]
  readonly size: SizeName | 'all'
  readonly parallel?: Parallelism
  /** Turns of three steps. */
  readonly rounds: number
  /** Where the numbers go as JSON. */
  readonly json?: string
  readonly trustNetwork?: boolean
}

export interface WorkersResult {
  readonly name: SizeName
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
}

const columns = ['workers', 'capacity', 'median ms', 'quartiles', 'waited ms', 'sent MB'] as const
const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padStart(i === 3 ? 18 : 11)).join('')

/**
 * Measures, prints a table, and writes JSON if asked.
 * @throws ConfigError if a size cannot be shared by so many; ClusterError if a worker was lost
 */
export async function benchWorkers(options: WorkersBenchOptions): Promise<void> {
  const { workers: counts, size: wanted, parallel = 'experts', rounds, json, trustNetwork = false } = options
  const names = keysOf(sizes).filter((name) => wanted === 'all' || name === wanted)
  for (const name of names) for (const count of counts) checkShares({ ...presets.makemoe, ...sizes[name] }, count, parallel)
  const isolated = requireNamespace(trustNetwork)
  const signal = stopSignal()
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism() }
  console.log(`${machine.cpu}, ${machine.cores} cores; --parallel ${parallel}`)
  const scratch = mkdtempSync(join(tmpdir(), 'makemoe-bench-'))
  const results: WorkersResult[] = []
  try {
    for (const name of names) {
      const { nEmbed, nLayer, blockSize, batchSize, numExperts } = sizes[name]
      console.log(
        `\n${name}: C ${nEmbed}, ${nLayer} layers, context ${blockSize}, batch ${batchSize} in total, ${numExperts} experts\n${line(columns)}`,
      )
      for (const capacityFactor of [undefined, 1])
        for (const workers of counts) {
          const request: TeamRequest = { size: sizes[name], parallel, rounds, ...(capacityFactor === undefined ? {} : { capacityFactor }) }
          const file = join(scratch, 'answer.json')
          const command = [process.execPath, join(__dirname, 'team-worker.js'), JSON.stringify(request), file]
          const { lost } = await launch({ workers, isolated, command, signal })
          if (lost !== undefined) throw new ClusterError(lost)
          const { together, alone, bytesSent } = JSON.parse(readFileSync(file, 'utf8')) as TeamAnswer // worker 0 wrote it
          const median = quantile(together, 0.5)
          const result: WorkersResult = {
            name,
            size: sizes[name],
            workers,
            parallel,
            ...(capacityFactor === undefined ? {} : { capacityFactor }),
            median,
            quartiles: [quantile(together, 0.25), quantile(together, 0.75)],
            waited: workers === 1 ? 0 : median - quantile(alone, 0.5),
            bytesSent,
          }
          results.push(result)
          const quartiles = result.quartiles.map((value) => value.toFixed(1)).join(' to ')
          const numbers = [median.toFixed(1), quartiles, result.waited.toFixed(1), (bytesSent / 1e6).toFixed(2)]
          console.log(line([String(workers), capacityFactor === undefined ? 'dropless' : String(capacityFactor), ...numbers]))
          if (json !== undefined) writeFileAtomic(json, `${JSON.stringify({ machine, results }, null, 2)}\n`)
        }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
