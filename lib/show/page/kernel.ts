/**
 * The engine's Linear on WebAssembly SIMD (kernel.wat): weights lie in WebAssembly's memory, in panels of 8 columns, and nowhere else.
 */
import type { MakeLinear } from './ops'

const panelWidth = 8
const rowsAtOnce = 4
const pageBytes = 65536
const roundUp = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple

/**
 * @param bytes kernel.wasm
 * @returns a MakeLinear with a memory of its own
 * @throws Error where there is no WebAssembly, or none with SIMD
 */
export function simdLinear(bytes: Uint8Array): MakeLinear {
  const memory = new WebAssembly.Memory({ initial: 16 })
  // The bytes lie in a buffer of their own (they were just read or decoded), never in a shared one.
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), { env: { memory } })
  const run = exports.linear as (...bytes: number[]) => void // the signature in kernel.wat
  let floats = new Float32Array(memory.buffer)
  let top = 0

  /** Room for n numbers, at an index that is a multiple of 8. */
  const allocate = (n: number): number => {
    const start = top
    top += roundUp(n, 8)
    const missing = 4 * top - memory.buffer.byteLength
    if (missing > 0) {
      memory.grow(roundUp(missing, 16 * pageBytes) / pageBytes)
      floats = new Float32Array(memory.buffer)
    }
    return start
  }
  /** Room that is used again by each call, and is made anew when it is too small. */
  const scratch = (): ((n: number) => number) => {
    let start = 0
    let size = 0
    return (n) => {
      if (n > size) {
        size = 2 * n
        start = allocate(size)
      }
      return start
    }
  }
  const inputs = scratch()
  const outputs = scratch()

  return (weight, bias) => {
    const nOut = bias.length
    const nIn = weight.length / nOut
    const width = roundUp(nOut, panelWidth)
    const w = allocate(nIn * width)
    const b = allocate(width)
    for (let o = 0; o < nOut; o++) {
      const at = w + (o - (o % panelWidth)) * nIn + (o % panelWidth)
      for (let i = 0; i < nIn; i++) floats[at + i * panelWidth] = weight[o * nIn + i]
    }
    floats.set(bias, b)
    return (x, rows) => {
      const height = roundUp(rows, rowsAtOnce)
      const from = inputs(height * nIn)
      const to = outputs(height * width)
      floats.set(x, from)
      floats.fill(0, from + rows * nIn, from + height * nIn)
      if (rows > 0) run(...[from, from + height * nIn, w, w + nIn * width, b, to, nIn, width].map((index) => 4 * index))
      if (width === nOut) return floats.slice(to, to + rows * nOut)
      const y = new Float32Array(rows * nOut)
      for (let r = 0; r < rows; r++) y.set(floats.subarray(to + r * width, to + r * width + nOut), r * nOut)
      return y
    }
  }
}
