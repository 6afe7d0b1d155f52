import { expect, test } from 'vitest'
import { profileTable, timesByKind } from './profile'
import { profile, withSelfTimes } from './profiler'

const event = (name: string, start: number, end: number): { name: string; start: number; end: number } => ({
  name,
  start: start * 1e9,
  end: end * 1e9,
})

test('an event has for itself what the events within it leave', () => {
  const events = [event('x:MatMul', 2, 5), event('Executor::Process', 0, 10), event('y:Add', 6, 7), event('inner', 3, 4)]
  expect(withSelfTimes(events)).toEqual([
    { name: 'x:MatMul', op: 'MatMul', ms: 3, selfMs: 2 },
    { name: 'Executor::Process', ms: 10, selfMs: 6 },
    { name: 'y:Add', op: 'Add', ms: 1, selfMs: 1 },
    { name: 'inner', ms: 1, selfMs: 1 },
  ])
})

test('times are summed by kind, a step at a time, and what is left of the cores was idle', () => {
  const worker = withSelfTimes([event('a:MatMul', 0, 6), event('b:MatMul', 6, 8), event('c:Add', 8, 9), event('Executor::Process', 9, 11)])
  const main = withSelfTimes([event('KernelAndDeviceFunc::Run', 0, 12)]) // waits, and does nothing
  const times = timesByKind([worker, main], 2)
  expect(times).toEqual({
    kinds: [
      { kind: 'MatMul', count: 1, ms: 4 },
      { kind: 'Add', count: 0.5, ms: 0.5 },
    ],
    executorMs: 1,
  })
  const table = profileTable(times, { stepMs: 8, outsideMs: 2, cores: 2 })
  expect(table).toMatch(/MatMul +1 +4\.00 +25\.0 %/)
  expect(table).toMatch(/idle +8\.50 +53\.1 %/) // 16 - 4 - 0.5 - 1 - 2
})

test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  "TensorFlow's profiler sees the kernels of a compiled function",
  async () => {
    const { compile } = await import('makemoe/dist/engine/graph/compile')
    const { tf } = await import('makemoe/dist/engine/tensor/tf')
    const x = tf.ones([8, 8])
    const squared = compile((t: typeof x) => tf.matMul(t, t))
    squared(x).dispose()
    const threads = profile(() => {
      for (let i = 0; i < 3; i++) squared(x).dispose()
    })
    squared.dispose()
    x.dispose()
    const products = threads.flat().filter(({ op }) => op !== undefined && /MatMul/.test(op))
    expect(products).toHaveLength(3)
    expect(products.every(({ ms, selfMs }) => ms > 0 && selfMs > 0 && selfMs <= ms)).toBe(true)
  },
)
