import { createStreams, Expert, SwigluExpert, tf, type Variable } from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { expect, test } from 'vitest'
import { expectClose } from '../../../support'

const streams = createStreams(3)

test('SwigluExpert, hand-worked: (silu(x Wg) * x W1) W2', () => {
  const expert = new SwigluExpert(1, streams.init, { width: 1 })
  for (const [i, value] of [2, 0, 3, 1, 5, 0.5].entries()) assignParameter(expert.parameters()[i] as Variable, Float32Array.of(value))
  expectClose(expert.forward(tf.tensor2d([[1]])), [(2 / (1 + Math.exp(-2))) * 4 * 5 + 0.5], 1e-6)
  const [relu, swiglu] = [new Expert(12, streams.init), new SwigluExpert(12, streams.init)]
  expect(Math.abs(swiglu.parameterCount() / relu.parameterCount() - 1)).toBeLessThan(0.03)
})
