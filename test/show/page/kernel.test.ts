import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { simdLinear } from 'makemoe/dist/show/page/kernel'
import { plainLinear } from 'makemoe/dist/show/page/ops'
import { expect, test } from 'vitest'

const root = resolve(__dirname, '../../..')
const bytes = new Uint8Array(readFileSync(join(root, 'lib/show/page/kernel.wasm')))

test('kernel.wasm is what kernel.wat makes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kernel-'))
  try {
    const built = join(folder, 'kernel.wasm')
    execFileSync(process.execPath, [join(root, 'node_modules/wabt/bin/wat2wasm'), join(root, 'lib/show/page/kernel.wat'), '-o', built])
    expect(readFileSync(built).equals(bytes)).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('both loops compute x W^T + b, on sizes drawn at random', () => {
  const sizes = fc.record({
    rows: fc.integer({ min: 0, max: 13 }),
    nIn: fc.integer({ min: 1, max: 70 }),
    nOut: fc.integer({ min: 1, max: 70 }),
  })
  const float = fc.integer({ min: -2000, max: 2000 }).map((thousandths) => thousandths / 1000)
  const makeSimd = simdLinear(bytes) // one memory for all, which grows
  fc.assert(
    fc.property(sizes, fc.infiniteStream(float), ({ rows, nIn, nOut }, numbers) => {
      const take = (n: number): Float32Array => Float32Array.from({ length: n }, () => numbers.next().value as number)
      const [x, weight, bias] = [take(rows * nIn), take(nOut * nIn), take(nOut)]
      const expected = Array.from({ length: rows * nOut }, (_, i) => {
        const [r, o] = [Math.floor(i / nOut), i % nOut]
        let sum = bias[o] as number
        for (let j = 0; j < nIn; j++) sum += (x[r * nIn + j] as number) * (weight[o * nIn + j] as number)
        return sum
      })
      // Rounding is relative to what is added up, which may cancel.
      for (const y of [plainLinear(weight, bias)(x, rows), makeSimd(weight, bias)(x, rows)])
        expect(Math.max(0, ...expected.map((sum, i) => Math.abs((y[i] as number) - sum)))).toBeLessThan(4e-6 * (nIn + 1))
    }),
    { numRuns: 200 },
  )
})

test('earlier matrices stay right while the memory grows, and results are copies', () => {
  const makeSimd = simdLinear(bytes)
  const first = makeSimd(Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20))
  const y = first(Float32Array.of(1, 1), 1)
  makeSimd(new Float32Array(1 << 20), new Float32Array(1 << 10))(new Float32Array(1 << 16), 64)
  expect([...y]).toEqual([13, 27])
  expect([...first(Float32Array.of(1, 0), 1)]).toEqual([11, 23])
})

test('without WebAssembly, or with bytes that are no kernel, it throws', () => {
  expect(() => simdLinear(bytes.slice(0, 100))).toThrow()
})
