import fc from 'fast-check'
import { createStreams, SigmoidRouter, type Tensor, tf, type Variable } from 'makemoe'
import { assignParameter } from 'makemoe/dist/makemoe/nn/parameter'
import { describe, expect, test } from 'vitest'
import { expectClose, expectGradient } from '../../../support'

const streams = createStreams(3)
const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, 'float32', 11)

describe('routers', () => {
  test('SigmoidRouter, hand-worked: the chosen sigmoids, normalized', () => {
    const router = new SigmoidRouter(1, 3, 2, streams.init)
    assignParameter(router.scores.weight, Float32Array.of(Math.log(3), 0, Math.log(9)))
    assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0))
    const { experts, gates, probabilities } = router.forward(tf.tensor2d([[1]])) // sigmoids 3/4, 1/2, 9/10
    expect(experts.arraySync()).toEqual([[2, 0]])
    expectClose(gates, [0.9 / 1.65, 0.75 / 1.65], 1e-6)
    expectClose(probabilities?.() ?? [], [0.75 / 2.15, 0.5 / 2.15, 0.9 / 2.15], 1e-6)
    expectGradient((x) => router.forward(x).gates, random(3, 1))
  })
  test('SigmoidRouter: gates and probabilities sum to 1, and have gradients, whatever the logits are', () => {
    const logit = fc.oneof(fc.double({ min: -120, max: 120, noNaN: true }), fc.constantFrom(-1e4, -88, -50, 0, 50, 1e4))
    fc.assert(
      fc.property(fc.array(logit, { minLength: 4, maxLength: 4 }), fc.integer({ min: 1, max: 3 }), fc.boolean(), (logits, topK, biased) => {
        const router = new SigmoidRouter(1, 4, topK, streams.init)
        assignParameter(router.scores.weight, Float32Array.from(logits))
        assignParameter(router.scores.bias as Variable, Float32Array.of(0, 0, 0, 0))
        const bias = biased ? tf.tensor1d([0.3, 0, -0.2, 0.1]) : undefined
        const routing = router.forward(tf.tensor2d([[1]]), undefined, bias)
        for (const values of [routing.gates, routing.probabilities?.() ?? tf.tensor1d([])]) expectClose(tf.sum(values, -1), [1], 1e-5)
        const x = tf.tensor2d([[1]])
        const gradient = tf.grad((x: Tensor) => tf.sum(tf.mul(router.forward(x, undefined, bias).gates, [1, 2, 3].slice(0, topK))))(x)
        expect(gradient.dataSync()[0]).toSatisfy(Number.isFinite)
      }),
      { numRuns: 60 },
    )
  })
})
