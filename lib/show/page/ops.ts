/** The small pieces of arithmetic of the engine, on plain arrays. */

/** y = x W^T + b for each row: x [rows, nIn] -> [rows, nOut]. */
export type Linear = (x: Float32Array, rows: number) => Float32Array
/** Makes a Linear of a weight [nOut, nIn] and a bias [nOut]: the one part that takes time, so a faster one can be passed in. */
export type MakeLinear = (weight: Float32Array, bias: Float32Array) => Linear
/** A normalization of rows [C] with what it learned. */
export type Norm = (x: Float32Array) => Float32Array

/** Four outputs at a time, so that no sum waits for another. */
export const plainLinear: MakeLinear = (weight, bias) => {
  const nOut = bias.length
  const nIn = weight.length / nOut
  const row = (o: number): number => Math.min(o, nOut - 1) * nIn // the last one again where four are too many
  return (x, rows) => {
    const y = new Float32Array(rows * nOut)
    for (let o = 0; o < nOut; o += 4) {
      const [w0, w1, w2, w3] = [row(o), row(o + 1), row(o + 2), row(o + 3)]
      for (let r = 0; r < rows; r++) {
        let [y0, y1, y2, y3] = [0, 0, 0, 0]
        for (let i = 0, at = r * nIn; i < nIn; i++) {
          const a = x[at + i]
          y0 += a * weight[w0 + i]
          y1 += a * weight[w1 + i]
          y2 += a * weight[w2 + i]
          y3 += a * weight[w3 + i]
        }
        const sums = [y0, y1, y2, y3]
        for (let k = 0; k < 4 && o + k < nOut; k++) y[r * nOut + o + k] = bias[o + k] + sums[k]
      }
    }
    return y
  }
}

/** Each row shifted and scaled to mean 0 and variance 1, then by gain and bias (Ba et al. 2016). */
export function layerNorm(x: Float32Array, gain: Float32Array, bias: Float32Array): Float32Array {
  const C = gain.length
  const y = new Float32Array(x.length)
  for (let row = 0; row < x.length; row += C) {
    let mean = 0
    let variance = 0
    for (let c = 0; c < C; c++) mean += x[row + c] / C
    for (let c = 0; c < C; c++) variance += (x[row + c] - mean) ** 2 / C
    const scale = 1 / Math.sqrt(variance + 1e-5)
    for (let c = 0; c < C; c++) y[row + c] = (x[row + c] - mean) * scale * gain[c] + bias[c]
  }
  return y
}

/** Each row scaled to a mean square of 1, then by its gain (Zhang & Sennrich 2019). */
export function rmsNorm(x: Float32Array, gain: Float32Array): Float32Array {
  const C = gain.length
  const y = new Float32Array(x.length)
  for (let row = 0; row < x.length; row += C) {
    let square = 0
    for (let c = 0; c < C; c++) square += x[row + c] ** 2 / C
    const scale = 1 / Math.sqrt(square + 1e-5)
    for (let c = 0; c < C; c++) y[row + c] = x[row + c] * scale * gain[c]
  }
  return y
}

/** Turns each pair (x_d, x_{d + D/2}) of a head's D numbers by t / 10000^(2d / D), in place (Su et al. 2021, 2104.09864, eq. 34). */
export function rotate(x: Float32Array, D: number, t: number): void {
  for (let h = 0; h < x.length; h += D)
    for (let d = 0; d < D / 2; d++) {
      const angle = t * 10_000 ** ((-2 * d) / D)
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
      const [a, b] = [x[h + d], x[h + d + D / 2]]
      x[h + d] = a * cos - b * sin
      x[h + d + D / 2] = a * sin + b * cos
    }
}

/** exp(x) / sum of exp(x), in place. */
export function softmax(x: Float32Array): Float32Array {
  let max = Number.NEGATIVE_INFINITY
  let sum = 0
  for (let i = 0; i < x.length; i++) max = Math.max(max, x[i])
  for (let i = 0; i < x.length; i++) sum += x[i] = Math.exp(x[i] - max)
  for (let i = 0; i < x.length; i++) x[i] /= sum
  return x
}

/** x += y, in place. */
export function add(x: Float32Array, y: Float32Array): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i]
}

/** The error function (Abramowitz & Stegun 1964, 7.1.26), to 1.5e-7. */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x))
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return Math.sign(x) * (1 - series * Math.exp(-x * x))
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** log(1 + exp(x)), without overflow. */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
