/**
 * Memory between cells. JavaScript's collector sees small objects where a model has large tensors outside its heap, so that a training cell
 * run again and again would fill the memory with models that no variable holds: after a cell that let the process grow they are collected.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Growth since the last collection. */
const growth = 32e6 // bytes

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
setFlagsFromString('--no-expose-gc')

const nextTurn = (): Promise<void> => new Promise((done) => setTimeout(done, 10))

let after = process.memoryUsage.rss()

/** Called when a cell has ended. */
export async function collectGarbage(): Promise<void> {
  if (process.memoryUsage.rss() < after + growth) return
  await nextTurn() // what a WeakRef gave out in this one is kept
  collect()
  await nextTurn() // the tensors of what was collected are freed
  after = process.memoryUsage.rss()
}
