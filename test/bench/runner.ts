/** Who is timed: a program that waits for requests, one a line, and answers each with a line; ours (worker.ts) or PyTorch (test/pytorch/bench.py). */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { SetupError } from 'makemoe/dist/base/errors'
import { ownEnvironment } from 'makemoe/dist/cli/setup/environment'
import { paths, projectRoot } from 'makemoe/dist/cli/setup/paths'
import type { BenchSize } from './sizes'

export const whats = ['step', 'evaluation', 'token', 'cached'] as const
/** What is timed: a training step, an evaluation batch, a character behind a full window, one before it is full, with the cache (ours alone). */
export type What = (typeof whats)[number]

/** Calls of a compiled function that are not timed: `compile` traces again before calls 2, 3, 5, 9, 17 and 33. */
export const untimedCalls = 33

export const models = {
  ours: 'ours',
  'ours-capacity': 'ours, capacity 1',
  'ours-eager': 'ours, eager',
  makemoe: 'makeMoE.py',
  optimized: 'PyTorch, optimized',
} as const
export type BenchModel = keyof typeof models

/** Asks for `times` measurements. */
export interface Request {
  readonly model: BenchModel
  readonly size: BenchSize
  readonly what: What
  readonly times: number
}

export interface Answer {
  /** Milliseconds of each. */
  readonly times: readonly number[]
  /** The most memory that the program has held so far, in MB. */
  readonly peakMB: number
  /** Graphs that were made so far, by what they compute. */
  readonly traces?: Readonly<Partial<Record<What, { readonly ms: number; readonly operations: number }>>>
}

export interface Runner {
  readonly model: BenchModel
  ask(what: What, times: number): Promise<Answer>
  close(): void
}

/** Starts a program for one model and size. */
export function startRunner(model: BenchModel, size: BenchSize): Runner {
  const isOurs = model.startsWith('ours')
  const program = isOurs ? process.execPath : paths.python()
  const script = isOurs ? join(projectRoot(), 'test/dist/bench/worker.js') : join(projectRoot(), 'test/pytorch/bench.py')
  const env = { ...ownEnvironment(), PYTHONWARNINGS: 'ignore' }
  const child = spawn(program, [script, String(availableParallelism())], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    model,
    async ask(what, times) {
      const request: Request = { model, size, what, times }
      child.stdin.write(`${JSON.stringify(request)}\n`)
      const { value } = await lines.next()
      const remedy = isOurs ? 'its error stands above' : 'npm run bench -- --with-pytorch installs it'
      if (typeof value !== 'string') throw new SetupError(`${models[model]} ended unexpectedly`, remedy)
      return JSON.parse(value) as Answer
    },
    close: () => void child.stdin.end(),
  }
}
