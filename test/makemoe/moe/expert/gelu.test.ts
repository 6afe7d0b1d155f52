import { createStreams, tf, type Variable } from 'makemoe'
import { GeluExpert } from 'makemoe/dist/makemoe/moe/expert/gelu'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(8)

test('GeluExpert, hand-worked: gelu(x W1 + b1) W2 + b2', () => {
  const expert = new GeluExpert(1, streams.init, { width: 1 })
  for (const [i, value] of [2, -1, 3, 0.5].entries()) assignParameter(expert.parameters()[i] as Variable, Float32Array.of(value))
  expectClose(expert.forward(tf.tensor2d([[1]])), [3 * 0.841344746 + 0.5], 1e-6) // Phi(1) = 0.841344746
})
