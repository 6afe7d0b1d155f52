/** How fast this machine is: one matrix product, and a training step of the default model on random tokens. */
import { tf } from '../../engine/tensor/tf'
import { stepTimes } from '../../lab/timing'
import { presets } from '../../makemoe/presets'
import { Dataset } from '../../makemoe/text/dataset'
import type { Examination } from './findings'

/** Best rate of a product of two n x n float32 matrices, in GFLOP/s (2 n^3 operations). */
function productRate(n: number, times: number): number {
  const matrix = tf.ones([n, n])
  const seconds = Array.from({ length: times }, () => {
    const start = performance.now()
    tf.tidy(() => tf.matMul(matrix, matrix).dataSync())
    return (performance.now() - start) / 1000
  })
  matrix.dispose()
  return (2 * n ** 3) / Math.min(...seconds) / 1e9
}

/** Median milliseconds of a training step of the default model, as one graph. */
async function trainingStep(): Promise<number> {
  const config = presets.default
  const vocabSize = 65
  const tokens = Int32Array.from({ length: 20_000 }, (_, i) => (i * i + 7 * i) % vocabSize)
  const dataset = new Dataset(tokens, config.blockSize)
  const times = await stepTimes({ default: {} }, { config, dataset, vocabSize, rounds: 1, steps: 10 })
  return times?.default ?? Number.NaN
}

const remedy = 'see TensorFlow above'

export const speedExaminations: readonly Examination[] = [
  { what: 'product', look: () => `${productRate(1024, 20).toFixed(0)} GFLOP/s (1024 x 1024, float32)`, remedy },
  { what: 'training step', look: async () => `${(await trainingStep()).toFixed(0)} ms (default preset, 9 million parameters)`, remedy },
]
