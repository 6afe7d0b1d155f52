import { compile, concatRows, splitRows, type Tensor, tf } from 'makemoe'
import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => vi.restoreAllMocks())

/** What `print` writes. */
function printed(print: () => void): string[] {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  print()
  return log.mock.calls
    .map(([text]) => String(text))
    .join('\n')
    .split('\n')
}

test('print shows ops, shapes with sizes that depend on data, and the lines of the caller', () => {
  const w = tf.variable(tf.ones([2, 3]), false, 'print/w')
  const halves = compile(function halves(x: Tensor, load: Tensor) {
    const parts = splitRows(x, load).map((part) => tf.mul(tf.matMul(part, w), tf.fill([part.shape[0] as number, 1], 2)))
    return { parts: concatRows(parts, load), padded: tf.concat([parts[0] as Tensor, tf.ones([1, 3])]) }
  })
  expect(printed(() => halves.print())).toEqual(['not traced yet: call it first'])
  halves(tf.ones([3, 2]), tf.tensor1d([1, 2], 'int32'))
  const lines = printed(() => halves.print()).map((line) => line.replace(/print\.test\.ts:\d+/, 'FILE'))
  expect(lines).toEqual([
    expect.stringMatching(/^halves\d*: 9 ops$/),
    '%0 = argument() -> float32[3, 2]',
    '%1 = argument() -> int32[2]',
    '%3 = SplitV(%0, %1, <constant 0>) -> float32[n1, 2], float32[n2, 2]   # FILE',
    '%5 = MatMul(%3.0, <variable print/w>) -> float32[n1, 3]   # FILE, 2 times',
    expect.stringMatching(/^%\d+ = Fill\(<sizes \[n1, 1\]>, <constant 2>\) -> float32\[n1, 1\] {3}# FILE, 2 times$/),
    expect.stringMatching(/^%\d+ = Mul\(%5, %\d+\) -> float32\[n1, 3\] {3}# FILE, 2 times$/),
    expect.stringMatching(/^%\d+ = ConcatV2\(%\d+, %\d+, <constant 0>\) -> float32\[3, 3\] {3}# FILE, 2 times$/),
    expect.stringMatching(/^return %\d+, %\d+$/),
  ])
  expect(printed(() => halves.print(2))).toContain('... 5 more lines')
  expect(halves(tf.ones([3, 2]), tf.tensor1d([0, 3], 'int32')).padded.shape).toEqual([1, 3])
  expect(halves.traces).toBe(1)
})
