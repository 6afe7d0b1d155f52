/**
 * The record of a run: `run.json` in its folder says what it is, with which parameters, and how it ended. `metrics.jsonl` beside it holds
 * its metrics. Trackers that send a run elsewhere read both.
 */
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { RunError } from '../../base/errors'
import { writeFileAtomic } from '../../base/files'
import type { Config } from '../../makemoe/config'

/** How a run ended, in MLflow's words. */
export type RunStatus = 'FINISHED' | 'FAILED' | 'KILLED'

const recordSchema = z.object({
  /** Names the run wherever it is sent. */
  id: z.string().regex(/^[\w-]+$/),
  name: z.string(),
  /** Milliseconds since 1970. */
  started: z.number(),
  ended: z.number().optional(),
  status: z.enum(['FINISHED', 'FAILED', 'KILLED']).optional(),
  params: z.record(z.string(), z.string()),
  tags: z.record(z.string(), z.string()),
})

/** What `run.json` says. */
export type RunRecord = z.infer<typeof recordSchema>

const recordFile = 'run.json'

export function writeRunRecord(folder: string, record: RunRecord): void {
  writeFileAtomic(join(folder, recordFile), `${JSON.stringify(record, null, 2)}\n`)
}

/** @throws RunError if the folder is no run's */
export function readRunRecord(folder: string): RunRecord {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(join(folder, recordFile), 'utf8'))
  } catch {
    throw new RunError(`got ${folder}, expected a run folder with a readable ${recordFile}`)
  }
  const parsed = recordSchema.safeParse(json)
  if (!parsed.success) throw new RunError(`${join(folder, recordFile)} does not describe a run`)
  return parsed.data
}

/** Records that a run began, or that it resumed: then its record stays, without its end. */
export function recordStart(folder: string, params: () => Record<string, string>, tags: Readonly<Record<string, string>>): void {
  if (existsSync(join(folder, recordFile))) {
    const { status: _status, ended: _ended, ...record } = readRunRecord(folder)
    writeRunRecord(folder, record)
  } else writeRunRecord(folder, { id: randomUUID(), name: basename(folder), started: Date.now(), params: params(), tags: { ...tags } })
}

/** Records how a run ended. */
export function recordEnd(folder: string, status: RunStatus): void {
  writeRunRecord(folder, { ...readRunRecord(folder), status, ended: Date.now() })
}

/** A config as parameters: the original's under its names, and ours. */
export function runParameters(config: Partial<Config>, device: string): Record<string, string> {
  const { batchSize, blockSize, steps, evalInterval, learningRate, evalIters, dropout, numExperts, topK, ...others } = config
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  const all = {
    batch_size: batchSize,
    block_size: blockSize,
    max_iters: steps,
    eval_interval: evalInterval,
    learning_rate: learningRate,
    device,
    eval_iters: evalIters,
    dropout,
    num_experts: numExperts,
    top_k: topK,
    ...Object.fromEntries(Object.entries(others).map(([name, value]) => [snake(name), value])),
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])))
}
